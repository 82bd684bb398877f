"""What hostile clients try, through the whole web application: each gets a typed answer."""

import asyncio
import base64
import json
import logging

import pytest
from starlette.testclient import TestClient

from palo.inference.request import TokenUsage
from palo.observability.logs import RequestLog
from palo.security.access import Access, AccessSettings
from palo.security.http_limits import BodyBounds
from palo.security.keys import KeyLimits, add_key, read_keys, revoke_key
from palo.security.rate_limiter import RateLimiter
from palo.serve.chat_handler import ChatHandler
from palo.serve.decoder_pool import ImageRules
from palo.serve.image_reader import ImageReader
from palo.serve.ingress import IngressSettings, build_app
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.protocol.generate import Delta, Started
from palo.serve.replica_client import ReplicaClient

USAGE = TokenUsage(
    prompt_tokens=30,
    completion_tokens=3,
    cached_tokens=0,
    queue_s=0.0,
    first_token_s=0.1,
    total_s=0.2,
)
OPENED = Started(version="fp", prompt_tokens=30)
WORDS = [[OPENED], [Delta(text="এক ")], [Delta(text="দুই ")]]
ANSWER = [*WORDS, [Delta(text="তিন", finish="stop", usage=USAGE)]]
BODIES = BodyBounds(max_bytes=200_000)
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG and more").decode()


class Model:
    """Says the same to everybody; with `hangs` it never ends."""

    def __init__(self, said, *, hangs=False):
        self.said, self.hangs, self.asked = said, hangs, []

    def __call__(self, ask):
        self.asked.append(ask)
        return Saying(self)


class Saying:
    def __init__(self, model):
        self.left, self.hangs = list(model.said), model.hangs

    async def __anext__(self):
        if self.left:
            return self.left.pop(0)
        if self.hangs:
            await asyncio.Event().wait()
        raise StopAsyncIteration

    def cancel(self):
        self.left = []


@pytest.fixture
def endpoint(tmp_path):
    """Makes clients with a key of a model that says something."""

    def make(said=ANSWER, *, hangs=False, limits=None, no_keys=False, log=None):
        path = tmp_path / "keys.json"
        secret, _ = add_key(path, "tests", limits)
        model = Model(said, hangs=hangs)
        handler = ChatHandler(
            ("palo",),
            ReplicaClient({"palo": model}, 30.0),
            bounds=ProtocolBounds(max_images=2, max_text_characters=1000),
            access=Access(AccessSettings(key_file=path, no_keys=no_keys)),
            rate_limiter=RateLimiter(),
            images=ImageReader(ImageRules()),
            bodies=BODIES,
            log=log or RequestLog(),
            max_requests=9,
        )
        app = build_app(handler, IngressSettings(bodies=BODIES))
        client = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        client.headers["Authorization"] = f"Bearer {secret}"
        client.model, client.handler, client.key_file = model, handler, path
        return client

    return make


def chat(client, content="?", headers=None, **values):
    body = {"model": "palo", "messages": [{"role": "user", "content": content}]} | values
    return client.post("/v1/chat/completions", json=body, headers=headers)


def image(url):
    return [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}]


def refused(response):
    error = response.json()["error"]
    assert error["request_id"]
    assert "Traceback" not in response.text
    assert "/palo/" not in response.text
    return response.status_code, error["code"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/1.png",
        "https://127.0.0.1:8000/healthz",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://localhost./",
        "https://user@example.org/",
        "file:///etc/passwd",
        "ftp://example.org/1.png",
        "gopher://127.0.0.1:6379/_",
        "/etc/passwd",
        "../keys.json",
    ],
)
def test_no_address_is_asked(endpoint, url):
    assert refused(chat(endpoint(), image(url))) == (400, "remote_image_forbidden")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:image/png;base64,@@@", "image_unreadable"),
        ("data:text/html;base64,AAAA", "image_unreadable"),
        ("data:image/png," + "A" * 100, "image_unreadable"),
    ],
)
def test_what_is_no_image_is_refused(endpoint, url, code):
    assert refused(chat(endpoint(), image(url))) == (400, code)


def test_too_many_images(endpoint):
    content = [part for _ in range(3) for part in image(PNG)]
    assert refused(chat(endpoint(), content)) == (400, "too_many_images")


def test_a_body_is_too_large_whatever_its_length_says(endpoint):
    client = endpoint()
    assert refused(chat(client, "x" * 300_000)) == (413, "body_too_large")

    def parts():
        yield from [b"x" * 1000] * 1000

    response = client.post("/v1/chat/completions", content=parts())
    assert refused(response) == (413, "body_too_large")
    assert not client.model.asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b'{"messages": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"model": "palo", "messages": [{"role": "user", "content": ' + b"9" * 5000 + b"}]}",
        b'{"model": "palo", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "palo", "messages": [], "max_tokens": 1e999}',
        b'{"model": "palo", "messages": [{"role": "system", "content": "x"}]}',
    ],
)
def test_json_of_all_kinds(endpoint, body):
    client = endpoint()
    assert refused(client.post("/v1/chat/completions", content=body)) == (400, "invalid_request")
    assert not client.model.asked


@pytest.mark.parametrize(
    "values",
    [
        {"n": 10**9},
        {"max_tokens": 10**9},
        {"max_tokens": -1},
        {"temperature": -1},
        {"temperature": 1e308},
        {"top_p": 0},
        {"stop": ["x"] * 99},
        {"stop": "x" * 9999},
        {"logprobs": True, "top_logprobs": 10**6},
        {"language": "../ur"},
        {"seed": 2**80},
    ],
)
def test_settings_out_of_range(endpoint, values):
    assert refused(chat(endpoint(), **values)) == (400, "invalid_request")


def test_text_is_bounded(endpoint):
    assert refused(chat(endpoint(), "ب" * 1001)) == (400, "context_length_exceeded")


@pytest.mark.parametrize("marker", ["<image>", "</s>", "<s>", "<|im_end|>", "USER: ASSISTANT:"])
def test_a_marker_in_a_users_text_stays_text(endpoint, marker):
    client = endpoint()
    assert chat(client, f"what is {marker}?").status_code == 200
    (turn,) = client.model.asked[0].conversation.turns
    assert (turn.text, turn.num_images) == (f"what is {marker}?", 0)


def test_a_key_that_was_revoked_is_refused_at_once(endpoint):
    client = endpoint()
    assert chat(client).status_code == 200
    (key,) = read_keys(client.key_file)
    revoke_key(client.key_file, key.id)
    client.handler._access._ring._looked_s -= 2
    assert refused(chat(client)) == (401, "invalid_api_key")
    assert refused(client.get("/metrics")) == (401, "invalid_api_key")


def test_without_a_key_not_even_a_body_is_read(endpoint):
    client = endpoint()
    del client.headers["Authorization"]
    assert refused(chat(client, "x" * 300_000)) == (401, "invalid_api_key")


def test_pages_of_the_web_do_not_reach_an_endpoint_without_keys(endpoint):
    client = endpoint(no_keys=True)
    assert chat(client).status_code == 200
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example:8000"}):
        assert refused(chat(client, headers=headers)) == (401, "invalid_api_key")
        assert client.get("/", headers=headers).status_code == 401
        assert client.get("/metrics", headers=headers).status_code == 401


def test_who_leaves_early_pays_what_they_got(endpoint):
    client = endpoint(WORDS, hangs=True, limits=KeyLimits(tokens_per_minute=32))
    key = client.headers["Authorization"].encode()
    body = {"model": "palo", "stream": True, "messages": [{"role": "user", "content": "?"}]}
    messages = [{"type": "http.request", "body": json.dumps(body).encode()}]
    gone = asyncio.Event()

    async def receive():
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if "দুই".encode() in message.get("body", b""):
            gone.set()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"authorization", key)],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    asyncio.run(asyncio.wait_for(client.app(scope, receive, send), 20))
    assert refused(chat(client)) == (429, "rate_limit_exceeded")
    text = client.get("/metrics").text
    assert 'palo_requests_total{code="cancelled",language="unknown",model="palo"} 1.0' in text
    assert 'code="rate_limit_exceeded"' in text


def test_what_people_ask_is_in_no_log(endpoint, caplog):
    caplog.set_level(logging.INFO)
    question = "میرا راز کیا ہے؟"
    assert chat(endpoint(), question).status_code == 200
    line = next(record for record in caplog.records if record.message == "request")
    assert (line.model, line.language, line.code) == ("palo", "ur", "ok")
    assert (line.prompt_tokens, line.answer_tokens) == (30, 3)
    assert not any(question in str(vars(record)) for record in caplog.records)
    assert chat(endpoint(log=RequestLog(with_contents=True)), question).status_code == 200
    *_, line = (record for record in caplog.records if record.message == "request")
    assert (line.question, line.answer) == (question, "এক দুই তিন")


def test_metrics_need_a_key_and_tell_of_the_answers(endpoint):
    client = endpoint()
    assert chat(client, "یہ کیا ہے؟", stream=True).status_code == 200
    text = client.get("/metrics").text
    assert 'palo_requests_total{code="ok",language="ur",model="palo"} 1.0' in text
    assert 'palo_answer_tokens_total{language="ur",model="palo"} 3.0' in text
    del client.headers["Authorization"]
    assert refused(client.get("/metrics")) == (401, "invalid_api_key")
