import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from palo import languages
from palo.serve.client import Endpoint
from palo.serve.page.gate import COOKIE, Gate, Visitors
from palo.serve.page.words import words_of

_HEAD = "<script>1</script>"


async def _home(request):
    return HTMLResponse("<html><head><title>t</title></head></html>")


async def _file(request):
    return PlainTextResponse("secret")


@pytest.fixture
def visitors(chat_server):
    chat_server.key = "sk-good"
    return Visitors(Endpoint(url=chat_server.url))


@pytest.fixture
def browse(visitors):
    """Sends requests through a gate, as one browser with its cookies."""
    routes = [Route("/", _home), Route("/upload", _file, methods=["GET", "POST"])]
    inner = Starlette(routes=routes)

    def run(*requests, login=True, cookies=None):
        async def talk():
            app = Gate(inner, visitors if login else None, _HEAD)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://page", cookies=cookies
            ) as client:
                return [await client.request(m, path, **more) for m, path, more in requests]

        return asyncio.run(talk())

    return run


def _log_in(key, **headers):
    return "POST", "/login", {"data": {"key": key}, "headers": headers}


def test_without_login_everybody_may_come_and_nothing_may_be_loaded_from_elsewhere(browse):
    (answer,) = browse(("GET", "/", {}), login=False)
    assert answer.text == f"<html><head>{_HEAD}<title>t</title></head></html>"
    assert int(answer.headers["content-length"]) == len(answer.content)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self';" in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_stranger_reaches_the_login_and_nothing_else(browse):
    home, file, upload, other = browse(
        ("GET", "/", {}), ("GET", "/upload", {}), ("POST", "/upload", {}), ("GET", "/none", {})
    )
    assert (home.status_code, home.headers["location"]) == (303, "login")
    assert {answer.status_code for answer in (file, upload, other)} == {401}
    assert "secret" not in file.text


def test_a_good_key_opens_the_page_and_never_leaves_the_server(browse):
    entered, home, file = browse(_log_in(" sk-good "), ("GET", "/", {}), ("GET", "/upload", {}))
    assert (entered.status_code, home.status_code, file.text) == (303, 200, "secret")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "sk-good" not in cookie


def test_a_wrong_key_is_told_in_the_visitors_language(browse):
    (answer,) = browse(_log_in("sk-bad", **{"accept-language": "ur"}))
    assert answer.status_code == 401
    assert words_of("ur").errors["invalid_api_key"] in answer.text
    assert 'dir="rtl"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("code", languages.codes())
def test_the_login_speaks_every_language(browse, code):
    (answer,) = browse(("GET", f"/login?language={code}", {}))
    words = words_of(code)
    assert f'<html lang="{code}" dir="{words.language.direction}">' in answer.text
    assert words["log_in_info"].replace("’", "’") in answer.text
    assert all(language.native_name in answer.text for language in languages.every())


@pytest.mark.parametrize("body", [b"", b"key=", b"other=1", b"key=" + b"x" * 5000, b"\xff"])
def test_a_form_that_is_none_is_refused(browse, body):
    (answer,) = browse(("POST", "/login", {"content": body}))
    assert answer.status_code == 400


def test_another_site_can_neither_log_anybody_in_nor_out(browse, visitors):
    (answer,) = browse(_log_in("sk-good", origin="http://evil"))
    assert answer.status_code == 403
    token = asyncio.run(visitors.admit("sk-good"))
    foreign = ("POST", "/logout", {"headers": {"origin": "http://evil"}})
    link = ("GET", "/logout", {})
    assert {a.status_code for a in browse(foreign, link, cookies={COOKIE: token})} == {405}
    assert visitors.knows(token)


def test_who_logs_out_is_a_stranger_again(browse, visitors):
    own = {"headers": {"origin": "http://page"}}
    *_, out, file = browse(_log_in("sk-good"), ("POST", "/logout", own), ("GET", "/upload", {}))
    assert (out.status_code, file.status_code) == (303, 401)


def test_visitors_are_asked_again_after_a_while_and_are_not_kept_without_end(visitors, monkeypatch):
    monkeypatch.setattr("palo.serve.page.tokens._MAX_VISITORS", 2)
    tokens = [asyncio.run(visitors.admit("sk-good")) for _ in range(3)]
    assert [visitors.knows(token) for token in tokens] == [False, True, True]
    assert visitors.endpoint(tokens[2]).api_key == "sk-good"
    assert visitors.endpoint(tokens[0]).api_key is None
    monkeypatch.setattr("palo.serve.page.tokens.STAY_S", -1)
    assert not visitors.knows(asyncio.run(visitors.admit("sk-good")))


def test_no_web_socket_passes_the_gate(visitors):
    async def inner(scope, receive, send):
        pytest.fail("the page was reached")

    asyncio.run(Gate(inner, visitors, "")({"type": "websocket"}, None, None))
