import dataclasses
import json

import pytest
from tests.fixtures.completion_server import completion

from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError
from palo.translate.backends.backend import Draft, TranslationFailure
from palo.translate.backends.over_http import HttpTranslation, HttpTranslator
from palo.translate.prompts.reply import write_turns

USAGE = {"usage": {"prompt_tokens": 30, "completion_tokens": 12}}
TURNS = ("¿Qué es?", "Un gato.")


@pytest.fixture
def translator(completions):
    endpoint = EndpointSettings(
        url=completions.url,
        model="m",
        first_wait_s=0.0,
        attempts=2,
        input_price=1e6,
        output_price=2e6,
    )
    return HttpTranslator(endpoint, HttpTranslation(max_tokens=100))


@pytest.fixture
def conversation(request_of):
    return request_of("What is it?", "A cat.")


def test_a_conversation_is_one_request(completions, translator, conversation, backend_run):
    completions.answer = lambda body, number: (200, completion(write_turns(TURNS)) | USAGE)
    backend_run.run(translator, [conversation])
    assert backend_run.ended == {
        conversation.key: Draft(texts=TURNS, tokens_in=30, tokens_out=12, cost=54.0)
    }
    (body,) = completions.bodies
    assert (body["max_tokens"], body["temperature"]) == (100, 0.0)
    assert body["response_format"] == {"type": "json_object"}
    assert "Spanish" in body["messages"][0]["content"]
    ((key, most),) = backend_run.sent
    size = sum(len(json.dumps(m["content"], ensure_ascii=False).encode()) for m in body["messages"])
    assert (key, most) == (conversation.key, size + 200.0)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((200, completion("") | USAGE), "empty"),
        ((200, completion(write_turns(TURNS)[:9], "length") | USAGE), "cut off"),
        ((200, completion(write_turns(TURNS[:1])) | USAGE), "1 turns instead of 2"),
        ((200, completion("I can't help with that.") | USAGE), "not the JSON object"),
    ],
)
def test_an_answer_that_is_no_translation_is_paid_and_has_a_fault(
    completions, translator, conversation, backend_run, answer, fault
):
    good = (200, completion(write_turns(TURNS)) | USAGE)
    completions.answer = lambda body, number: good if number else answer
    other = dataclasses.replace(conversation, language="fr")
    backend_run.run(translator, [conversation, other])
    draft = backend_run.ended[conversation.key]
    assert fault in draft.fault
    assert (draft.texts, draft.cost, draft.is_hopeless) == ((), 54.0, False)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "content_filter", "message": "bad words"},
        {"code": "context_length_exceeded", "message": "bad words: too many tokens"},
    ],
)
def test_a_text_that_is_refused_is_hopeless(
    completions, translator, request_of, backend_run, error
):
    good = (200, completion(write_turns(TURNS)) | USAGE)
    completions.answer = lambda body, number: (400, {"error": error}) if number else good
    requests = [request_of("What is it?", "A cat.", number=number) for number in range(2)]
    endpoint = dataclasses.replace(translator._endpoint, in_flight=1)
    backend_run.run(HttpTranslator(endpoint, HttpTranslation()), requests)
    draft = backend_run.ended[requests[1].key]
    assert draft.is_hopeless
    assert "bad words" in draft.fault
    assert backend_run.refused == [requests[1].key]


@pytest.mark.parametrize(
    ("answer", "kind", "refused"),
    [
        ((429, {}, {"Retry-After": "0"}), "busy", 2),
        ((500, {}), "server_error", 2),
        (None, "connection", 0),
        ((200, b'{"choices": [{"mess'), "bad_response", 0),
    ],
)
def test_no_answer_is_lost_for_now_and_tells_what_may_have_cost(
    completions, translator, request_of, backend_run, answer, kind, refused
):
    good = (200, completion(write_turns(TURNS)) | USAGE)
    completions.answer = lambda body, number: answer if number else good
    requests = [request_of("What is it?", "A cat.", number=number) for number in range(2)]
    endpoint = dataclasses.replace(translator._endpoint, in_flight=1)
    backend_run.run(HttpTranslator(endpoint, HttpTranslation()), requests)
    lost = backend_run.ended[requests[1].key]
    assert isinstance(lost, TranslationFailure)
    assert lost.kind == kind
    assert len(backend_run.refused) == refused
    assert [key for key, _ in backend_run.sent] == [
        requests[0].key,
        requests[1].key,
        requests[1].key,
    ]


def test_a_refused_key_ends_all_at_once(completions, translator, request_of, backend_run):
    completions.answer = lambda body, number: (401, {})
    requests = [request_of("What is it?", "A cat.", number=number) for number in range(300)]
    with pytest.raises(ConfigError, match="refuses the API key"):
        backend_run.run(translator, requests)
    assert not backend_run.ended
    assert len(completions.bodies) <= 64


def test_without_json_mode_the_field_is_left_out(
    completions, translator, conversation, backend_run
):
    completions.answer = lambda body, number: write_turns(TURNS)
    plain = HttpTranslator(translator._endpoint, HttpTranslation(json_mode=False))
    backend_run.run(plain, [conversation])
    assert "response_format" not in completions.bodies[0]
