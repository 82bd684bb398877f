"""A page has few paths; a program that takes it for the API is told where that is."""

import asyncio

import httpx
import openai
import pytest
from starlette.responses import PlainTextResponse

from palo.webui.paths import KnownPaths


@pytest.fixture
def ask():
    """Asks a page for a path."""

    def make(method, path, *, has_login=True, **more):
        async def talk():
            app = KnownPaths(PlainTextResponse("the page"), has_login=has_login)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return await client.request(method, path, **more)

        return asyncio.run(talk())

    return make


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/chat/completions", "/models", "/none", "/login/x", "/docs"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_other_paths_have_openais_body(ask, method, path):
    answer = ask(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "unknown_path")
    assert "base URL" in error["message"]
    assert path in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/login", "GET, HEAD, POST"),
        ("GET", "/logout", "POST"),
        ("GET", "/gradio_api/queue/join", "POST"),
        ("DELETE", "/assets/a.js", "GET, HEAD"),
    ],
)
def test_other_methods_are_told_the_right_ones(ask, method, path, allow):
    answer = ask(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("HEAD", "/"), ("POST", "/login"), ("GET", "/login/"), ("GET", "/config")],
)
def test_the_pages_own_are_passed_on(ask, method, path):
    assert ask(method, path).status_code == 200


def test_a_page_without_a_login_doesnt_have_gradios(ask):
    assert ask("POST", "/login", has_login=False).status_code == 404
    assert ask("GET", "/login/", has_login=False).status_code == 404


def test_openais_client_doesnt_call_it_a_wrong_key(ask):
    def handler(request):
        answer = ask(request.method, request.url.path, content=request.content)
        return httpx.Response(answer.status_code, content=answer.content)

    http = httpx.Client(transport=httpx.MockTransport(handler))
    client = openai.OpenAI(base_url="http://page", api_key="x", http_client=http, max_retries=0)
    with pytest.raises(openai.NotFoundError, match="base URL"):
        client.models.list()
