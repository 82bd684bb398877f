import asyncio
import json

import pytest
from starlette.requests import Request

from palo import config
from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError
from palo.security.http_limits import (
    BodyBounds,
    BodyLimit,
    HeadBounds,
    HeadLimit,
    require_few_values,
)

BOUNDS = HeadBounds(max_headers=3, max_header_bytes=100, max_path_bytes=20, max_query_bytes=10)


def passed(path="/v1/models", headers=(), query=b"", kind="http"):
    """Returns the scope that the application got, and what was sent beside it."""
    scopes, sent = [], []

    async def app(scope, receive, send):
        scopes.append(scope)

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "path": path, "query_string": query, "headers": list(headers)}
    asyncio.run(HeadLimit(app, BOUNDS)(scope, None, send))
    return scopes, sent


@pytest.mark.parametrize(
    ("head", "code", "status"),
    [
        ({"path": "/" * 21}, APIErrorCode.URL_TOO_LONG, 414),
        ({"query": b"a" * 11}, APIErrorCode.URL_TOO_LONG, 414),
        ({"headers": [(b"a", b"")] * 4}, APIErrorCode.HEADERS_TOO_LARGE, 431),
        ({"headers": [(b"a" * 50, b"b" * 51)]}, APIErrorCode.HEADERS_TOO_LARGE, 431),
    ],
)
def test_a_long_head_is_refused(head, code, status):
    with pytest.raises(APIError) as caught:
        passed(**head)
    assert (caught.value.code, caught.value.code.status) == (code, status)
    ((message,),) = passed(**head, kind="websocket")[1:]
    assert message["type"] == "websocket.close"


def test_what_fits_passes_unchanged():
    headers = [(b"a" * 50, b"b" * 50)]
    (scope,), _ = passed("/" + "a" * 19, headers, b"c" * 10)
    assert scope["headers"] == headers


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/metrics", "/healthz"])
def test_the_api_gets_no_cookies_and_a_page_its_own(path):
    headers = [(b"cookie", b"a=b"), (b"x", b"y"), (b"cookie", b"c=d")]
    assert passed(path, headers)[0][0]["headers"] == [(b"x", b"y")]
    assert passed("/", headers)[0][0]["headers"] == headers


def test_other_kinds_of_connections_pass():
    assert passed(kind="lifespan")[0]


@pytest.mark.parametrize("name", ["max_headers", "max_header_bytes", "max_path_bytes"])
def test_bounds_let_something_through(name):
    assert list(HeadBounds().faults()) == []
    assert name in " ".join(HeadBounds(**{name: 0}).faults())
    assert list(HeadBounds(max_query_bytes=-1).faults())


def scope_of(path="/v1/chat/completions", **headers):
    named = [(name.replace("_", "-").encode(), str(v).encode()) for name, v in headers.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": named}


async def reads(scope, receive, send):
    """An application that reads its body, and says it."""
    send(await Request(scope, receive).body())


def source(parts, pause_s=0.0):
    """A client that sends these parts, and then goes."""
    left = list(parts)

    async def receive():
        await asyncio.sleep(pause_s)
        if not left:
            return {"type": "http.disconnect"}
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return receive, left


def body_of(limit, receive, scope=None):
    said = []
    asyncio.run(limit(scope or scope_of(), receive, said.append))
    return said[0]


def refusal(limit, receive, scope=None):
    with pytest.raises(APIError) as caught:
        body_of(limit, receive, scope)
    return caught.value


def test_a_body_within_bounds_comes_whole():
    limit = BodyLimit(reads, BodyBounds(max_bytes=10))
    assert body_of(limit, source([b"12345", b"", b"67890"])[0]) == b"1234567890"
    assert body_of(limit, source([b""])[0]) == b""


@pytest.mark.parametrize("declared", [{}, {"content_length": 5}, {"content_length": "-1"}])
def test_what_comes_is_counted_whatever_was_said(declared):
    receive, left = source([b"12345"] * 1000)
    found = refusal(BodyLimit(reads, BodyBounds(max_bytes=12)), receive, scope_of(**declared))
    assert found.code is APIErrorCode.BODY_TOO_LARGE
    assert found.code.status == 413
    assert len(left) == 997


def test_who_says_too_much_is_not_read_at_all():
    receive, left = source([b"1"])
    limit = BodyLimit(reads, BodyBounds(max_bytes=12))
    found = refusal(limit, receive, scope_of(content_length=13))
    assert found.code is APIErrorCode.BODY_TOO_LARGE
    assert len(left) == 1


@pytest.mark.parametrize("bounds", [{"idle_s": 0.05}, {"total_s": 0.15}])
def test_a_slow_body_is_given_up(bounds):
    receive, left = source([b"1"] * 1000, pause_s=0.1)
    found = refusal(BodyLimit(reads, BodyBounds(**bounds)), receive)
    assert found.code is APIErrorCode.TIMEOUT
    assert len(left) > 990


def test_waiting_for_a_client_to_leave_has_no_bound():
    async def waits(scope, receive, send):
        await Request(scope, receive).body()
        send((await receive())["type"])

    receive, _ = source([b"1"], pause_s=0.1)
    limit = BodyLimit(waits, BodyBounds(idle_s=0.15, total_s=0.15))
    assert body_of(limit, receive) == "http.disconnect"


def test_all_bodies_together_are_bounded_and_given_back():
    bounds = BodyBounds(max_bytes=10, max_all_bytes=25)
    gate = asyncio.Event()

    async def holds(scope, receive, send):
        await Request(scope, receive).body()
        await gate.wait()
        send("done")

    async def run():
        limit, said = BodyLimit(holds, bounds), []
        asked = [limit(scope_of(), source([b"0123456789"])[0], said.append) for _ in range(3)]
        tasks = [asyncio.create_task(one) for one in asked]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        errors = [task.exception() for task in done]
        gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        await limit(scope_of(), source([b"0123456789"])[0], said.append)
        return errors, said

    errors, said = asyncio.run(run())
    assert [error.code for error in errors] == [APIErrorCode.OVERLOADED]
    assert errors[0].headers() == {"Retry-After": "2"}
    assert said == ["done"] * 3


def test_only_named_paths_are_bounded():
    limit = BodyLimit(reads, BodyBounds(max_bytes=1), paths=("/v1/",))
    assert body_of(limit, source([b"12345"])[0], scope_of("/page/upload")) == b"12345"
    refusal(limit, source([b"12345"])[0])


def test_json_of_millions_of_values_is_not_parsed():
    bounds = BodyBounds(max_json_values=1000)
    require_few_values(json.dumps({"text": "x" * 10**6, "list": [1] * 900}).encode(), bounds)
    for body in (b"[" * 2000, b"[" + b"[]," * 2000 + b"[]]", b'{"a":' * 2000, b"[1" + b",1" * 2000):
        with pytest.raises(APIError) as caught:
            require_few_values(body, bounds)
        assert caught.value.code is APIErrorCode.INVALID_REQUEST
    names = json.dumps(dict.fromkeys(map(str, range(60)), 0)).encode()
    with pytest.raises(APIError, match="too many fields"):
        require_few_values(names, BodyBounds(max_json_fields=50))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_bytes", 0),
        ("max_bytes", 2**40),
        ("idle_s", 0),
        ("total_s", 1e9),
        ("max_json_fields", 0),
    ],
)
def test_bounds_are_sensible(name, value):
    config.check(BodyBounds())
    with pytest.raises(ConfigError, match=name):
        config.check(BodyBounds(**{name: value}))
