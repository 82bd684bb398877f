"""The web application over models that tests play: no Ray is started."""

import asyncio
import base64
import json

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.serve.exceptions import BackPressureError
from starlette.testclient import TestClient

from palo.api_errors import APIError, APIErrorCode
from palo.inference.engine import EngineStats
from palo.inference.request import TokenUsage
from palo.observability.logs import RequestLog
from palo.retries import Backoff
from palo.security.access import Access, AccessSettings
from palo.security.http_limits import BodyBounds
from palo.security.keys import KeyLimits, add_key
from palo.security.rate_limiter import RateLimiter
from palo.serve import replica_client
from palo.serve.chat_handler import ChatHandler
from palo.serve.decoder_pool import ImageRules
from palo.serve.image_reader import ImageReader
from palo.serve.ingress import IngressSettings, build_app
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.protocol.generate import Delta, ReplicaReport, Started
from palo.serve.replica_client import ReplicaClient

USAGE = TokenUsage(
    prompt_tokens=20,
    completion_tokens=4,
    cached_tokens=16,
    queue_s=0.0,
    first_token_s=0.1,
    total_s=0.2,
)
OPENED = Started(version="fp_1")
STATS = EngineStats(
    num_waiting=3,
    num_running=2,
    num_slots=8,
    batch_size=2,
    cached_bytes=0,
    steps=9,
    prefill_tokens=20,
    cached_tokens=16,
    decode_tokens=4,
    num_finished={"stop": 1},
    first_tokens=1,
    first_token_s=0.1,
    step_s=0.2,
)
REPORT = ReplicaReport(model="palo", replica="r1", stats=STATS)
ANSWER = (
    [OPENED],
    [Delta(text="ein ")],
    [Delta(text="Kreis", finish="stop", usage=USAGE)],
    [REPORT],
)
BODIES = BodyBounds(max_bytes=20_000, max_json_values=100)
LOST = ActorUnavailableError("gone", None)


class Replica:
    """Says what a test wrote down, one list of it for each request; an error is raised."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.asked = []
        self.num_ended = 0

    def __call__(self, ask):
        self.asked.append(ask)
        return Said(self, self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0])


class Said:
    def __init__(self, replica, script):
        self.replica, self.left = replica, list(script)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        said = self.left.pop(0)
        if isinstance(said, float):
            await asyncio.sleep(said)
            return await anext(self)
        if isinstance(said, Exception):
            raise said
        return said

    def cancel(self):
        self.replica.num_ended += 1


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture(autouse=True)
def without_waits(monkeypatch):
    monkeypatch.setattr(replica_client, "_BACKOFF", Backoff(attempts=4, first_wait_s=0.0))


@pytest.fixture
def client(key_file):
    """Makes clients of an endpoint whose only model says what a script says."""

    def make(*scripts, timeout_s=5.0, max_requests=4, limits=None):
        secret, _ = add_key(key_file, "tests", limits)
        replica = Replica(*scripts)
        handler = ChatHandler(
            ("palo",),
            ReplicaClient({"palo": replica}, timeout_s),
            bounds=ProtocolBounds(max_images=2),
            access=Access(AccessSettings(key_file=key_file)),
            rate_limiter=RateLimiter(),
            images=ImageReader(ImageRules()),
            bodies=BODIES,
            log=RequestLog(),
            max_requests=max_requests,
        )
        client = TestClient(
            build_app(handler, IngressSettings(bodies=BODIES)), raise_server_exceptions=False
        )
        client.headers["Authorization"] = f"Bearer {secret}"
        client.replica, client.handler = replica, handler
        return client

    return make


def post(client, text="ما هذا الشيء؟", **values):
    body = {"model": "palo", "messages": [{"role": "user", "content": text}]} | values
    return client.post("/v1/chat/completions", json=body)


def events(response):
    lines = [line for line in response.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def said(response):
    return "".join(
        event["choices"][0]["delta"].get("content", "")
        for event in events(response)
        if event.get("choices")
    )


def code_of(response):
    return response.json()["error"]["code"]


def test_an_answer(client):
    client = client(ANSWER)
    response = post(client)
    assert response.status_code == 200
    body = response.json()
    assert body["choices"][0]["message"]["content"] == "ein Kreis"
    assert body["usage"]["total_tokens"] == 24
    assert body["system_fingerprint"] == "fp_1"
    assert response.headers["x-palo-language"] == "ar"
    assert response.headers["x-request-id"] == client.replica.asked[0].request_id
    assert client.replica.num_ended == 1


def test_a_stream(client):
    response = post(client(ANSWER), stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response)
    assert said(response) == "ein Kreis"
    assert found[-1]["usage"]["prompt_tokens"] == 20
    assert found[-2]["choices"][0]["finish_reason"] == "stop"


def test_an_image_reaches_the_replica_and_keeps_its_place(client):
    client = client(ANSWER)
    url = "data:image/png;base64," + base64.b64encode(b"pixels").decode()
    content = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}]
    assert post(client, content).status_code == 200
    (ask,) = client.replica.asked
    assert [image.data for image in ask.images] == [b"pixels"]
    assert ask.routing_key == f"{ask.salt}\n{ask.images[0].image_id}"
    assert ask.conversation.turns[0].num_images == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ([[APIError("full", code=APIErrorCode.OVERLOADED, retry_after_s=3)]], 503, "overloaded"),
        ([[APIError("long", code=APIErrorCode.CONTEXT_LENGTH_EXCEEDED)]], 400,
         "context_length_exceeded"),
        ([BackPressureError(1, 1)], 503, "overloaded"),
        ([LOST], 503, "replica_lost"),
        ([RayTaskError("answer", "secret place", ValueError("secret"))], 500, "internal"),
        ([ValueError("secret")], 500, "internal"),
        ([9.0], 504, "timeout"),
    ],
)  # fmt: skip
def test_what_fails_before_a_word_has_a_status(client, script, status, code, stream):
    client = client(script, timeout_s=0.3)
    response = post(client, stream=stream)
    assert (response.status_code, code_of(response)) == (status, code)
    assert "secret" not in response.text
    assert response.json()["error"]["request_id"] == response.headers["x-request-id"]
    assert ("retry-after" in response.headers) == (status == 503)
    assert client.handler._num_requests == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_replica_that_is_lost_before_a_word_costs_a_second_try(client, stream):
    client = client([LOST], [[OPENED], ActorDiedError()], ANSWER)
    response = post(client, stream=stream)
    text = said(response) if stream else response.json()["choices"][0]["message"]["content"]
    assert text == "ein Kreis"
    assert len(client.replica.asked) == client.replica.num_ended == 3


def test_a_replica_that_says_that_it_goes_is_left_for_another(client):
    going = [[APIError("going", code=APIErrorCode.REPLICA_LOST)]]
    assert post(client(going, ANSWER)).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_goes_on_where_its_replica_was_lost(client, stream):
    begun = [[OPENED], [Delta(text="ein ", ids=(5,))], [Delta(ids=(6,))], LOST]
    rest = [[OPENED], [Delta(text="Kreis", ids=(7,), finish="stop", usage=USAGE)], [REPORT]]
    client = client(begun, [LOST], rest)
    response = post(client, stream=stream)
    text = said(response) if stream else response.json()["choices"][0]["message"]["content"]
    assert text == "ein Kreis"
    first, *others = client.replica.asked
    assert (first.begun, first.version) == ((), "")
    assert [(ask.begun, ask.version) for ask in others] == [(((5, 6),), "fp_1")] * 2
    if stream:
        roles = [event["choices"][0]["delta"].get("role") for event in events(response)]
        assert roles.count("assistant") == 1


def test_only_choices_that_miss_something_go_on(client):
    begun = [
        [OPENED],
        [
            Delta(text="a", ids=(1,), finish="stop", usage=USAGE),
            Delta(choice=1, text="b", ids=(2,)),
        ],
        LOST,
    ]
    rest = [[OPENED], [Delta(choice=1, text="c", ids=(3,), finish="stop", usage=USAGE)], [REPORT]]
    client = client(begun, rest)
    choices = post(client, n=2).json()["choices"]
    assert [choice["message"]["content"] for choice in choices] == ["a", "bc"]
    assert client.replica.asked[1].begun == (None, (2,))


def test_a_whole_answer_needs_no_other_replica_for_its_report(client):
    client = client([[OPENED], [Delta(text="a", finish="stop", usage=USAGE)], LOST])
    assert said(post(client, stream=True)) == "a"
    assert len(client.replica.asked) == 1


def test_an_answer_that_nobody_can_continue_ends_with_an_error(client):
    other = [[APIError("another version", code=APIErrorCode.REPLICA_LOST)]]
    response = post(client([[OPENED], [Delta(text="ein ", ids=(5,))], LOST], other), stream=True)
    assert said(response) == "ein "
    assert events(response)[-1]["error"]["code"] == "replica_lost"


@pytest.mark.parametrize(
    ("failure", "code"),
    [(9.0, "timeout"), (ValueError("secret"), "internal")],
)
def test_what_fails_later_is_told_in_the_stream(client, failure, code):
    client = client([[OPENED], [Delta(text="ein ")], failure], ANSWER, timeout_s=0.3)
    response = post(client, stream=True)
    assert response.status_code == 200
    error = events(response)[-1]["error"]
    assert error["code"] == code
    assert error["request_id"] == response.headers["x-request-id"]
    assert "secret" not in response.text
    assert said(response) == "ein "
    assert client.replica.num_ended == 1
    assert client.handler._num_requests == 0


def test_a_key_is_asked_for(client):
    client = client(ANSWER)
    del client.headers["Authorization"]
    for response in (post(client), client.get("/v1/models"), client.get("/v1/models/palo")):
        assert (response.status_code, code_of(response)) == (401, "invalid_api_key")
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_key_has_its_limits_and_a_place_is_given_back(client):
    client = client(ANSWER, limits=KeyLimits(concurrent=1, requests_per_minute=3))
    assert [post(client, stream=flag).status_code for flag in (True, False, True)] == [200] * 3
    response = post(client)
    assert (response.status_code, code_of(response)) == (429, "rate_limit_exceeded")
    assert int(response.headers["retry-after"]) > 0


def test_more_than_fits_in_is_told_to_come_back(client):
    client = client(ANSWER, max_requests=1)
    client.handler._num_requests = 1
    response = post(client)
    assert (response.status_code, code_of(response)) == (503, "overloaded")
    assert client.handler._num_requests == 1


def test_models_are_listed(client):
    client = client(ANSWER)
    assert [m["id"] for m in client.get("/v1/models").json()["data"]] == ["palo"]
    assert client.get("/v1/models/palo").json()["object"] == "model"
    assert code_of(client.get("/v1/models/other")) == "model_not_found"
    assert code_of(post(client, model="other")) == "model_not_found"


@pytest.mark.parametrize("stream", [False, True])
def test_metrics_tell_how_requests_ended(client, stream):
    client = client(ANSWER, [[OPENED], LOST])
    assert post(client, stream=stream).status_code == 200
    assert post(client, stream=stream, n=0).status_code == 400
    text = client.get("/metrics").text
    assert 'palo_requests_total{code="ok",language="ar",model="palo"} 1.0' in text
    assert 'palo_requests_total{code="invalid_request",' in text
    assert 'palo_engine_waiting{model="palo",replica="r1"} 3.0' in text
    assert 'palo_answer_tokens_total{language="ar",model="palo"} 4.0' in text
    assert "palo_open_requests 0.0" in text
    secret = client.headers.pop("Authorization")
    assert client.get("/metrics").status_code == 401
    assert post(client).status_code == 401
    client.headers["Authorization"] = secret
    client.handler.metrics._written = None  # what is written once a second
    text = client.get("/metrics").text
    assert (
        'palo_requests_total{code="invalid_api_key",language="unknown",model="unknown"} 1' in text
    )


def test_a_body_that_is_too_large_is_refused(client):
    client = client(ANSWER)
    assert code_of(post(client, "x" * 30_000)) == "body_too_large"
    assert code_of(post(client, metadata=list(range(200)))) == "invalid_request"
    assert not client.replica.asked


def test_without_keys_only_this_machines_own_pages_may_ask(client):
    client = client(ANSWER)
    client.handler._access = Access(AccessSettings(no_keys=True))
    app = build_app(client.handler, IngressSettings())
    with TestClient(app, base_url="http://localhost") as own:
        assert own.get("/v1/models").status_code == 200
        assert own.get("/healthz", headers={"origin": "http://evil.example"}).status_code == 401
    with TestClient(app, base_url="http://evil.example") as other:
        assert other.get("/v1/models").status_code == 401


def test_the_root_leads_to_the_page_where_there_is_one(client):
    handler = client(ANSWER).handler
    with TestClient(
        build_app(handler, IngressSettings(page_path="/chat/")), follow_redirects=False
    ) as browser:
        answer = browser.get("/")
        assert (answer.status_code, answer.headers["location"]) == (307, "/chat/")
        assert browser.get("/v1/models").status_code == 401
    with TestClient(build_app(handler, IngressSettings())) as browser:
        assert browser.get("/").status_code == 404


def test_a_client_may_name_its_request(client):
    client = client(ANSWER)
    client.headers["x-request-id"] = "mine-1"
    assert post(client).headers["x-request-id"] == "mine-1"
    assert post(client, n=0).json()["error"]["request_id"] == "mine-1"
    client.headers["x-request-id"] = "x" * 99
    assert post(client).headers["x-request-id"] == client.replica.asked[-1].request_id
    assert [ask.request_id[:4] for ask in client.replica.asked] == ["mine", "req_"]


def test_a_client_that_leaves_ends_its_answer(client):
    client = client([[OPENED], [Delta(text="a")], 60.0], timeout_s=90)

    async def leave():
        body = json.dumps(
            {"model": "palo", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        ).encode()
        sent = asyncio.Event()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": [(b"authorization", client.headers["Authorization"].encode())],
            "query_string": b"",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        }
        messages = [{"type": "http.request", "body": body}]

        async def receive():
            if messages:
                return messages.pop()
            await sent.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if b'"a"' in message.get("body", b""):
                sent.set()

        await asyncio.wait_for(client.app(scope, receive, send), 20)

    asyncio.run(leave())
    assert client.replica.num_ended == 1
    assert client.handler._num_requests == 0
    assert 'code="cancelled"' in client.get("/metrics").text
