import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from palo.webui.browser_security import ResponseHeaders, SameOrigin
from palo.webui.mounting import LongerHead


async def _page(request):
    return HTMLResponse("<html><head><title>t</title></head></html>")


async def _parts(request):
    async def parts():
        yield b"<html><he"
        yield b"ad></head></html>"

    return StreamingResponse(parts(), media_type="text/html")


async def _text(request):
    return PlainTextResponse("<head>")


async def _preview(request):
    metas = '<meta\n\tproperty="og:title" content="Gradio" /><meta name="twitter:card" content="x">'
    return HTMLResponse(f'<html><head>{metas}<meta charset="utf-8"></head></html>')


_APP = Starlette(
    routes=[
        Route("/", _page),
        Route("/parts", _parts),
        Route("/preview", _preview),
        Route("/assets/a.js", _text),
    ]
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "<html><head>MORE<title>t</title></head></html>"),
        ("/parts", "<html><head>MORE</head></html>"),
        ("/preview", '<html><head>MORE<meta charset="utf-8"></head></html>'),
        ("/assets/a.js", "<head>"),
    ],
)
def test_a_head_gets_longer_and_nothing_else_does(path, text):
    answer = TestClient(LongerHead(_APP, "MORE")).get(path)
    assert answer.text == text
    if path == "/":
        assert int(answer.headers["content-length"]) == len(answer.content)


def test_only_what_a_page_consists_of_may_be_kept_by_browsers():
    client = TestClient(ResponseHeaders(_APP))
    assert client.get("/").headers["cache-control"] == "no-store"
    assert client.get("/assets/a.js").headers["cache-control"] == "public, max-age=86400"


def test_behind_tls_browsers_are_told_to_stay_there():
    secure = TestClient(ResponseHeaders(_APP), base_url="https://page")
    assert "max-age=31536000" in secure.get("/").headers["strict-transport-security"]
    assert "strict-transport-security" not in TestClient(ResponseHeaders(_APP)).get("/").headers


@pytest.mark.parametrize(
    ("url", "origin", "status"),
    [
        ("https://palo.example", "https://palo.example", 200),
        ("https://palo.example", "https://PALO.example", 200),
        ("https://palo.example", "https://palo.example:444", 403),
        ("https://palo.example", "https://palo.example.evil", 403),
        ("https://palo.example", "https://user@palo.example", 403),
    ],
)
def test_an_origin_is_ours_if_it_is_the_host(url, origin, status):
    client = TestClient(SameOrigin(_APP, is_keyless=False), base_url=url)
    assert client.get("/", headers={"origin": origin}).status_code == status
