import asyncio
import json

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from palo.api_errors import APIError, APIErrorCode
from palo.observability.boundary import Boundary

SECRET = "secret of /etc/palo"


def ask(app, headers=(), **settings):
    sent = []

    async def receive():
        await asyncio.Event().wait()  # the client waits for its answer

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": list(headers)}
    asyncio.run(Boundary(app, **settings)(scope, receive, send))
    start, *rest = sent
    body = b"".join(message.get("body", b"") for message in rest)
    return start["status"], dict(start["headers"]), body, scope["state"]["request_id"]


def test_a_request_is_named_once():
    status, headers, body, name = ask(PlainTextResponse("hello"))
    assert (status, body) == (200, b"hello")
    assert headers[b"x-request-id"].decode() == name
    assert name.startswith("req_")
    given = [(b"x-request-id", b"my-own.1")]
    assert ask(PlainTextResponse("hello"), given)[3] == "my-own.1"


@pytest.mark.parametrize("name", [b"", b"a b", b"a\nb", b"x" * 65, "ü".encode(), b"<script>"])
def test_an_odd_name_is_not_taken_over(name):
    _, headers, _, taken = ask(PlainTextResponse("hello"), [(b"x-request-id", name)])
    assert taken.startswith("req_")
    assert headers[b"x-request-id"] == taken.encode()


def test_behind_a_proxy_only_names_of_our_own_are_told():
    given = [(b"x-request-id", b"my-own.1")]
    _, headers, _, name = ask(PlainTextResponse("hello"), given, behind_proxy=True)
    assert name == "my-own.1"
    assert b"x-request-id" not in headers
    assert b"x-request-id" in ask(PlainTextResponse("hello"), behind_proxy=True)[1]


def test_an_application_that_names_it_itself_is_not_overridden():
    response = PlainTextResponse("hello", headers={"x-request-id": "own"})
    assert ask(response)[1][b"x-request-id"] == b"own"


def test_what_goes_wrong_is_seen_by_nobody_but_the_log(caplog):
    async def app(scope, receive, send):
        raise RuntimeError(SECRET)

    status, headers, body, name = ask(app)
    assert status == 500
    error = json.loads(body)["error"]
    assert error["code"] == "internal"
    assert error["request_id"] == name == headers[b"x-request-id"].decode()
    assert SECRET not in body.decode()
    assert b"Traceback" not in body
    assert SECRET in caplog.text


def test_a_refusal_is_answered_as_it_is():
    async def app(scope, receive, send):
        raise APIError("slow down", code=APIErrorCode.RATE_LIMIT_EXCEEDED, retry_after_s=7)

    status, headers, body, _ = ask(app)
    assert (status, headers[b"retry-after"]) == (429, b"7")
    assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"


def test_in_a_stream_it_becomes_an_event():
    async def events():
        yield b'data: {"first": 1}\n\n'
        raise RuntimeError(SECRET)

    app = StreamingResponse(events(), media_type="text/event-stream")
    status, _, body, _ = ask(app)
    first, failed, done, end = body.decode().split("\n\n")
    assert (status, first, done, end) == (200, 'data: {"first": 1}', "data: [DONE]", "")
    assert json.loads(failed.removeprefix("data: "))["error"]["code"] == "internal"
    assert SECRET not in body.decode()


def test_half_an_answer_has_no_end():
    async def parts():
        yield b"half"
        raise RuntimeError(SECRET)

    with pytest.raises(ConnectionAbortedError) as caught:
        ask(StreamingResponse(parts(), media_type="application/json"))
    assert SECRET not in str(caught.value)


def test_a_fault_behind_a_whole_answer_changes_nothing():
    async def app(scope, receive, send):
        await PlainTextResponse("whole")(scope, receive, send)
        raise RuntimeError(SECRET)

    assert ask(app)[:3:2] == (200, b"whole")


def test_other_kinds_of_connections_pass():
    passed = []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    asyncio.run(Boundary(app)({"type": "lifespan"}, None, None))
    assert passed == ["lifespan"]


def test_answers_of_the_api_are_kept_by_nobody_and_no_type_is_guessed():
    def headers(path, app):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        asyncio.run(Boundary(app)(scope, None, send))
        return dict(sent[0]["headers"])

    async def refuses(scope, receive, send):
        raise APIError("no", code=APIErrorCode.INVALID_API_KEY)

    for app in (PlainTextResponse("hello"), refuses):
        found = headers("/v1/chat/completions", app)
        assert found[b"x-content-type-options"] == b"nosniff"
        assert found[b"cache-control"] == b"no-store"
        assert not [name for name in found if name.startswith(b"access-control")]
    page = headers("/theme.css", PlainTextResponse("", headers={"cache-control": "max-age=9"}))
    assert page[b"cache-control"] == b"max-age=9"
    assert b"cache-control" not in headers("/", PlainTextResponse(""))
