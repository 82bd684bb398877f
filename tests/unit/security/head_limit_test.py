import asyncio

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.security.head_limit import HeadBounds, HeadLimit

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
