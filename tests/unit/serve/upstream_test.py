"""A model of another server behind this endpoint: here another endpoint of ours, over real HTTP."""

import asyncio
import base64
import io
import threading
from contextlib import contextmanager

import httpx
import pytest
from PIL import Image
from tests.abuse.endpoints import (
    ANSWER,
    Coming,
    Played,
    app_of,
    ask,
    client_of,
    handler_of,
    handler_of_models,
    keyed,
    refused,
)
from tests.fixtures.browser_pages import served
from tests.fixtures.nginx import free_ports

from palo import config
from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError
from palo.serve.settings import ServeSettings
from palo.serve.upstream import UpstreamSource, upstream_calls

VARIABLE = "PALO_TEST_UPSTREAM_KEY"
_PATIENCE_S = 30.0


class Behind:
    """The server behind: an endpoint whose model says what a test has it say.

    `says` is the model, `asked` what it was asked.
    """

    def __init__(self):
        self.url = ""
        self.says = Played()
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        return self.says(request)


def saying(items):
    """Returns a model that says the items of an asynchronous generator."""
    return lambda request: Coming(items())


@pytest.fixture
def behind(tmp_path, monkeypatch):
    """The server behind; its key is in the variable."""
    server, key_file = Behind(), tmp_path / "behind.json"
    monkeypatch.setenv(VARIABLE, keyed(key_file))
    handler = handler_of(server, key_file)
    with served(lambda app: app.mount("/", app_of(handler))) as server.url:
        yield server


@pytest.fixture
def front(tmp_path, behind):
    """A client of the endpoint in front, whose model `other` is that behind."""
    source = UpstreamSource(name="other", url=behind.url, model="palo", key_variable=VARIABLE)
    return front_of(tmp_path, source)


def front_of(folder, source):
    key_file = folder / "front.json"
    secret = keyed(key_file)
    handler = handler_of_models(upstream_calls([source]), key_file)
    return client_of(app_of(handler), secret)


@contextmanager
def streamed(client):
    """Gives the lines of a streamed answer over real HTTP: a test client waits for all of it."""
    body = {"model": "other", "stream": True, "messages": [{"role": "user", "content": "?"}]}
    headers = {"authorization": client.headers["authorization"]}
    with (
        served(lambda app: app.mount("/", client.app)) as url,
        httpx.stream(
            "POST", f"{url}v1/chat/completions", json=body, headers=headers, trust_env=False
        ) as stream,
    ):
        yield stream.iter_lines()


def png():
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "png")
    return data.getvalue()


def test_an_answer_comes_whole_with_its_usage(front):
    answer = ask(front, model="other").json()
    assert answer["model"] == "other"
    assert answer["choices"][0]["message"]["content"] == "একটি বৃত্ত"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (30, 3)


def test_a_stream_comes_as_it_is_said(front, behind):
    heard = threading.Event()

    async def items():
        yield ANSWER[0]
        yield ANSWER[1]
        assert await asyncio.to_thread(heard.wait, _PATIENCE_S)
        yield ANSWER[2]

    behind.says = saying(items)
    text = ""
    with streamed(front) as lines:
        for line in lines:
            text += line
            if "একটি" in line:
                heard.set()
    assert "বৃত্ত" in text
    assert text.endswith("data: [DONE]")


def test_images_turns_and_sampling_arrive(front, behind):
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "what?"}]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": content},
        {"role": "assistant", "content": "A square."},
        {"role": "user", "content": "Sure?"},
    ]
    sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": 3, "stop": ["x"]}
    asked = {"messages": messages, "max_tokens": 9, "repetition_penalty": 1.5} | sampling
    assert ask(front, model="other", **asked).status_code == 200
    (got,) = behind.asked
    assert got.images[0].data == png()
    assert [turn.text for turn in got.conversation.turns] == ["what?", "A square.", "Sure?"]
    assert got.conversation.turns[0].num_images == 1
    assert got.conversation.system == "Be brief."
    for name, value in sampling.items():
        expected = tuple(value) if isinstance(value, list) else value
        assert getattr(got.sampling, name) == expected, name
    assert (got.sampling.max_tokens, got.sampling.repetition_penalty) == (9, 1.5)


def test_our_keys_are_asked_for_and_never_sent_on(front, behind):
    client = front
    del client.headers["Authorization"]
    assert ask(client, model="other").status_code == 401
    assert not behind.asked


@pytest.mark.parametrize("param", [{"n": 2}, {"logprobs": True}])
def test_what_is_not_passed_on_is_refused(front, behind, param):
    refusal = ask(front, model="other", **param)
    assert refused(refusal) == (400, "invalid_request")
    assert refusal.json()["error"]["param"] in param
    assert not behind.asked


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        (APIErrorCode.CONTEXT_LENGTH_EXCEEDED, 400, "context_length_exceeded"),
        (APIErrorCode.IMAGE_UNREADABLE, 400, "image_unreadable"),
        (APIErrorCode.OVERLOADED, 503, "overloaded"),
        (APIErrorCode.RATE_LIMIT_EXCEEDED, 503, "overloaded"),
        (APIErrorCode.MODEL_NOT_FOUND, 500, "internal"),
        (APIErrorCode.INTERNAL, 500, "internal"),
    ],
)
def test_errors_are_the_clients_or_the_operators(front, behind, code, status, told):
    behind.says = Played([[APIError("it said so", code=code)]])
    refusal = ask(front, model="other")
    assert refused(refusal) == (status, told)
    assert ("it said so" in refusal.text) == (status == 400)
    if status == 503:
        assert int(refusal.headers["retry-after"]) > 0


def test_words_about_the_context_of_other_servers_get_our_code(front, behind):
    words = "This model's maximum context length is 8 tokens"
    behind.says = Played([[APIError(words, code=APIErrorCode.INVALID_REQUEST)]])
    assert refused(ask(front, model="other")) == (400, "context_length_exceeded")


def test_a_wrong_key_there_is_no_wrong_key_here(tmp_path, behind, monkeypatch):
    monkeypatch.setenv(VARIABLE, "sk-wrong")
    source = UpstreamSource(name="other", url=behind.url, model="palo", key_variable=VARIABLE)
    refusal = ask(front_of(tmp_path, source), model="other")
    assert refused(refusal) == (500, "internal")
    assert "sk-wrong" not in refusal.text


def test_a_server_that_is_away_is_503(tmp_path):
    (port,) = free_ports(1)
    client = front_of(tmp_path, UpstreamSource(name="other", url=f"http://127.0.0.1:{port}"))
    refusal = ask(client, model="other")
    assert refused(refusal) == (503, "replica_lost")
    assert int(refusal.headers["retry-after"]) > 0


def test_an_answer_that_breaks_off_is_not_begun_again(front, behind):
    lost = APIError("gone", code=APIErrorCode.INTERNAL)
    behind.says = Played([*ANSWER[:2], [lost]])
    text = ask(front, model="other", stream=True).text
    assert text.count("একটি") == 1
    assert '"code":"internal"' in text
    assert len(behind.asked) == 1


def test_who_leaves_ends_the_answer_there(front, behind):
    closed = threading.Event()

    async def items():
        try:
            yield ANSWER[0]
            while True:
                yield ANSWER[1]
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    behind.says = saying(items)
    with streamed(front) as lines:
        assert next(line for line in lines if "একটি" in line)
    assert closed.wait(_PATIENCE_S)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ((UpstreamSource(name="a", url="ftp://x"),), "https://host/v1"),
        ((UpstreamSource(name="", url="http://127.0.0.1:1"),), "name is empty"),
        ((UpstreamSource(name="a", url="http://127.0.0.1:1"),) * 2, "a, a"),
        ((), "name at least one"),
    ],
)
def test_wrong_settings_are_told(models, told):
    with pytest.raises(ConfigError, match=told):
        config.check(ServeSettings(models=(), upstreams=models))


def test_a_serve_file_names_them():
    values = {"models": [], "upstreams": [{"name": "a", "url": "http://127.0.0.1:8100"}]}
    settings = config.from_dict(ServeSettings, values)
    config.check(settings)
    assert settings.upstreams == (UpstreamSource(name="a", url="http://127.0.0.1:8100"),)


def test_a_key_that_is_not_set_is_told(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    source = UpstreamSource(name="a", url="http://127.0.0.1:1", key_variable=VARIABLE)
    with pytest.raises(ConfigError, match=VARIABLE):
        upstream_calls([source])
