import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from palo import languages
from palo.client import Endpoint
from palo.webui.authentication import Authentication
from palo.webui.login import LoginLimit
from palo.webui.texts import page_texts
from palo.webui.visitors import KeyLogins

COOKIE = "palo_visitor"


async def _home(request):
    return HTMLResponse("<html><head><title>t</title></head></html>")


async def _file(request):
    return PlainTextResponse("secret")


async def _cookies(request):
    return PlainTextResponse(request.headers.get("cookie", ""))


@pytest.fixture
def visitors(chat_server):
    chat_server.key = "sk-good"
    return KeyLogins(Endpoint(url=chat_server.url))


@pytest.fixture
def browse(visitors):
    """Sends requests through a gate, as one browser with its cookies."""
    routes = [
        Route("/", _home),
        Route("/upload", _file, methods=["GET", "POST"]),
        Route("/cookies", _cookies),
    ]
    inner = Starlette(routes=routes)

    def run(*requests, login=True, cookies=None, **settings):
        async def talk():
            app = Authentication(inner, visitors if login else None, **settings)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://page", cookies=cookies
            ) as client:
                return [await client.request(m, path, **more) for m, path, more in requests]

        return asyncio.run(talk())

    return run


def _log_in(key, **headers):
    return "POST", "/login", {"data": {"key": key}, "headers": headers}


def test_without_login_a_browser_gets_a_token_with_the_page_and_keeps_it(browse):
    early, home, file, again = browse(
        ("GET", "/upload", {}), ("GET", "/", {}), ("GET", "/upload", {}), ("GET", "/", {}),
        login=False,
    )  # fmt: skip
    assert (early.status_code, home.status_code, file.text) == (401, 200, "secret")
    assert "HttpOnly" in home.headers["set-cookie"]
    assert "set-cookie" not in again.headers


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
    assert page_texts("ur").errors["invalid_api_key"] in answer.text
    assert 'dir="rtl"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("code", languages.codes())
def test_the_login_speaks_every_language(browse, code):
    (answer,) = browse(("GET", f"/login?language={code}", {}))
    words = page_texts(code)
    assert f'<html lang="{code}" dir="{words.language.direction}">' in answer.text
    assert words["log_in_info"].replace("’", "’") in answer.text
    assert all(language.native_name in answer.text for language in languages.every())


@pytest.mark.parametrize("body", [b"", b"key=", b"other=1", b"key=" + b"x" * 5000, b"\xff"])
def test_a_form_that_is_none_is_refused(browse, body):
    (answer,) = browse(("POST", "/login", {"content": body}))
    assert answer.status_code == 400


@pytest.mark.parametrize("key", ["två", "a b", "x" * 513, "a\x00b"])
def test_what_can_be_no_key_is_refused_without_asking_the_server(browse, monkeypatch, key):
    monkeypatch.setattr(KeyLogins, "admit", lambda *_: pytest.fail("the server was asked"))
    (answer,) = browse(_log_in(key))
    assert answer.status_code == 401


def test_who_logs_out_is_a_stranger_again(browse, visitors):
    link, file, out, after = browse(
        ("GET", "/logout", {}), ("GET", "/upload", {}),
        ("POST", "/logout", {}), ("GET", "/upload", {}),
        cookies={COOKIE: asyncio.run(visitors.admit("sk-good"))},
    )  # fmt: skip
    assert (link.status_code, file.text) == (405, "secret")
    assert (out.status_code, after.status_code) == (303, 401)


def test_other_cookies_neither_hide_ours_nor_reach_the_page(browse, visitors):
    """Regression: a JSON cookie in front of ours made a valid visitor unknown."""
    token = asyncio.run(visitors.admit("sk-good"))
    cookie = f'prefs={{"a": [1, "b"]}}; palo_language=ur; {COOKIE}={token}; other="\\"'
    (answer,) = browse(("GET", "/cookies", {"headers": {"cookie": cookie}}))
    assert (answer.status_code, answer.text) == (200, "palo_language=ur")


def test_wrong_keys_are_slowed_down_and_good_ones_are_not(browse):
    limit = LoginLimit(of_one=3)
    good = browse(*[_log_in("sk-good")] * 9, limit=limit)
    assert {answer.status_code for answer in good} == {303}
    *wrong, late = browse(*[_log_in("sk-bad")] * 3, _log_in("sk-good"), limit=limit)
    assert [answer.status_code for answer in wrong] == [401] * 3
    assert late.status_code == 429
    assert 1 <= int(late.headers["retry-after"]) <= 60
    assert page_texts("en")["log_in_limited"].partition("{")[0] in late.text


def test_a_server_that_hangs_keeps_no_login_waiting(browse, monkeypatch):
    async def hanging(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(KeyLogins, "admit", hanging)
    monkeypatch.setattr("palo.webui.authentication._ADMIT_S", 0.01)
    answers = browse(*[_log_in("sk-good")] * 6)
    assert {answer.status_code for answer in answers} == {503}


def test_a_revoked_key_loses_the_page_and_a_server_that_is_away_takes_none(
    browse, visitors, chat_server, monkeypatch
):
    """Regression: a revoked key kept its page for twelve hours."""
    monkeypatch.setattr("palo.webui.visitors.CONFIRM_EVERY_S", 0.0)
    token = asyncio.run(visitors.admit("sk-good"))
    look = ("GET", "/upload", {})
    (kept,) = browse(look, cookies={COOKIE: token})
    away = KeyLogins(Endpoint(url="http://127.0.0.1:1"))
    assert asyncio.run(away.is_still_good("sk-good"))
    chat_server.key = "sk-another"
    (lost,) = browse(look, cookies={COOKIE: token})
    assert (kept.status_code, lost.status_code) == (200, 401)
    assert not visitors.knows(token)


def test_an_open_stream_ends_when_its_visitor_leaves(visitors):
    async def events(request):
        async def endless():
            yield b"data: 1\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(endless(), media_type="text/event-stream")

    inner = Starlette(routes=[Route("/gradio_api/queue/data", events)])

    async def talk():
        token = await visitors.admit("sk-good")
        sent = asyncio.Queue()
        cookie = f"{COOKIE}={token}".encode()
        scope = {
            "type": "http", "method": "GET", "path": "/gradio_api/queue/data", "root_path": "",
            "query_string": b"", "headers": [(b"host", b"page"), (b"cookie", cookie)],
        }  # fmt: skip
        running = asyncio.create_task(
            Authentication(inner, visitors)(scope, asyncio.Event().wait, sent.put)
        )
        assert (await sent.get())["status"] == 200
        assert (await sent.get())["body"] == b"data: 1\n\n"
        visitors.revoke(token)
        await asyncio.wait_for(running, 30)
        return [sent.get_nowait() for _ in range(sent.qsize())]

    assert asyncio.run(talk())[-1] == {
        "type": "http.response.body",
        "body": b"",
        "more_body": False,
    }
