"""OpenAI's Responses API through OpenAI's own client, over models that tests play."""

import base64
import json

import openai
import pytest
from openai.types.responses import Response
from tests.abuse.endpoints import USAGE, Played, app_of, client_of, handler_of, keyed

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import TokenUsage
from palo.serve.protocol.generate import Delta, Started, TokenText

STARTED = [Started(version="fp", prompt_tokens=30)]
PNG = "data:image/png;base64," + base64.b64encode(b"pixels").decode()


@pytest.fixture
def api(tmp_path):
    """Makes OpenAI's client of a model that says something, and the model."""

    def make(*said):
        model = Played([STARTED, *said]) if said else Played()
        key_file = tmp_path / "keys.json"
        secret = keyed(key_file)
        http = client_of(app_of(handler_of(model, key_file)), secret)
        base = "http://127.0.0.1:8000/v1"
        api = openai.OpenAI(base_url=base, api_key=secret, http_client=http, max_retries=0)
        return api.responses, model

    return make


def test_an_answer(api):
    responses, model = api()
    answer = responses.create(
        model="palo", input="এটা কী?", instructions="Be brief.", max_output_tokens=40,
        metadata={"trial": "1"},
    )  # fmt: skip
    Response.model_validate(answer.model_dump(), strict=True)
    assert (answer.output_text, answer.status) == ("একটি বৃত্ত", "completed")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (30, 3)
    assert answer.usage.total_tokens == 33
    assert (answer.instructions, answer.metadata) == ("Be brief.", {"trial": "1"})
    assert (answer.max_output_tokens, answer.store) == (40, False)
    (asked,) = model.asked
    assert asked.conversation.system == "Be brief."
    assert asked.sampling.max_tokens == 40


def test_an_image_and_then_the_answer_as_input(api):
    responses, model = api()
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
    ]
    asked = [{"role": "user", "content": content}]
    answer = responses.create(model="palo", input=asked)
    responses.create(
        model="palo",
        input=[*asked, *answer.output, {"role": "user", "content": "And its colour?"}],
    )
    first, second = model.asked
    assert [image.data for image in first.images] == [b"pixels"]
    assert [turn.role for turn in second.conversation.turns] == ["user", "assistant", "user"]
    assert second.conversation.turns[1].text == answer.output_text


def test_a_stream_has_the_documented_events_in_their_order(api):
    responses, _ = api()
    events = list(responses.create(model="palo", input="?", stream=True))
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(event.delta for event in events if event.type.endswith("text.delta"))
    whole = events[-1].response
    assert deltas == events[6].text == events[7].part.text == whole.output_text == "একটি বৃত্ত"
    assert len({event.item_id for event in events if hasattr(event, "item_id")}) == 1
    assert events[0].response.id == whole.id
    assert (events[0].response.status, whole.status) == ("in_progress", "completed")
    assert whole.usage.total_tokens == 33


def test_the_stream_helper_collects_the_answer(api):
    responses, _ = api()
    with responses.stream(model="palo", input="?") as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == "".join(texts) == "একটি বৃত্ত"


def test_events_are_named_and_no_other_ending_follows(api):
    responses, _ = api()
    with responses.with_streaming_response.create(model="palo", input="?", stream=True) as raw:
        blocks = raw.read().decode().strip().split("\n\n")
    for block in blocks:
        name, data = block.split("\n")
        assert name.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_reaches_its_limit_is_incomplete(api, stream):
    responses, _ = api([Delta(text="ein", finish="length", usage=USAGE)])
    answer = responses.create(model="palo", input="?", stream=stream)
    if stream:
        last = list(answer)[-1]
        assert last.type == "response.incomplete"
        answer = last.response
    assert answer.status == answer.output[0].status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output_text == "ein"


def test_logprobs_come_when_they_are_included(api):
    token = TokenText(data=b"ein", logprob=-0.5, top=((b"ein", -0.5),))
    said = [Delta(text="ein", tokens=(token,), finish="stop", usage=USAGE)]
    responses, model = api(said)
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    answer = responses.create(model="palo", input="?", **asked)
    (found,) = answer.output[0].content[0].logprobs
    assert (found.token, found.top_logprobs[0].logprob) == ("ein", -0.5)
    assert model.asked[0].sampling.num_logprobs == 1
    assert responses.create(model="palo", input="?").output[0].content[0].logprobs == []


def test_cached_tokens_are_reported(api):
    usage = TokenUsage(
        prompt_tokens=30, completion_tokens=1, cached_tokens=16, queue_s=0.0, first_token_s=0.1,
        total_s=0.2,
    )  # fmt: skip
    responses, _ = api([Delta(text="ein", finish="stop", usage=usage)])
    answer = responses.create(model="palo", input="?")
    assert answer.usage.input_tokens_details.cached_tokens == 16


def test_a_stream_that_fails_says_so_in_both_forms(api):
    failure = APIError("the replica was lost", fix="Ask again.", code=APIErrorCode.TIMEOUT)
    responses, _ = api([Delta(text="ein ")], [failure])
    with pytest.raises(openai.APIError, match="the replica was lost") as caught:
        list(responses.create(model="palo", input="?", stream=True))
    assert caught.value.code == "timeout"
    with responses.with_streaming_response.create(model="palo", input="?", stream=True) as raw:
        blocks = raw.read().decode().strip().split("\n\n")
    error, failed = (json.loads(block.partition("data: ")[2]) for block in blocks[-2:])
    assert (error["type"], error["code"], error["error"]["code"]) == ("error", "timeout", "timeout")
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"]["code"] == "server_error"
    assert error["error"]["request_id"]


def test_errors_have_the_class_of_their_status(api):
    responses, model = api()
    with pytest.raises(openai.BadRequestError) as caught:
        responses.create(model="palo", input="?", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
    with pytest.raises(openai.BadRequestError) as caught:
        responses.create(model="palo", input="x" * 250_000)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as caught:
        responses.create(model="other", input="?")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="aren't stored"):
        responses.retrieve("resp_1")
    assert not model.asked
