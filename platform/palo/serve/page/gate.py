"""What stands in front of the page: who may see it, and what browsers may do with it.

Every request passes here, uploads and files too, which Gradio itself gives to anybody.
"""

import dataclasses
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.serve.client import AsyncChatClient, Endpoint, EndpointError
from palo.serve.page.login import login_page
from palo.serve.page.tokens import STAY_S, Tokens
from palo.serve.page.words import chosen_language, words_of

COOKIE = "palo_visitor"
LANGUAGE_COOKIE = "palo_language"
_MAX_FORM_BYTES = 4096
_HEADERS = {
    # Nothing from elsewhere, whatever the parts that the page is made of would like to load.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Without one, browsers wouldn't say either that a form comes from this page.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


class Door(Protocol):
    """Who may come in, and how they are welcomed."""

    async def admit(self, key: str) -> str:
        """Returns a new visitor's token; raises EndpointError if the key is no good."""

    def knows(self, token: str | None) -> bool:
        """Tells whether a token is good."""

    def dismiss(self, token: str | None) -> None:
        """Forgets a visitor."""

    def welcome(self, code: str) -> str:
        """Returns what the login says the page is for, in a language."""


class Visitors(Tokens[str]):
    """Who has logged in, in this process, and with which key.

    Args:
        endpoint: The server whose keys they are.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    async def admit(self, key: str) -> str:
        """Returns a new visitor's token.

        Raises:
            EndpointError: If the server doesn't take the key, or can't be asked.
        """
        async with AsyncChatClient(dataclasses.replace(self._endpoint, api_key=key)) as client:
            await client.models()
        return self.give(key)

    def endpoint(self, token: str | None) -> Endpoint:
        """Returns the server with a visitor's key; without one for somebody unknown."""
        return dataclasses.replace(self._endpoint, api_key=self.value(token))

    def welcome(self, code: str) -> str:
        """Returns what the login says the page is for, in a language."""
        return words_of(code)["about"]


class Gate:
    """ASGI middleware: lets visitors in who logged in, and adds the headers of security.

    Args:
        app: The page.
        visitors: Who has logged in; None if nobody needs to.
        head: HTML for the beginning of the page's head. Gradio itself would add it after its own
            scripts have run.
    """

    def __init__(self, app: ASGIApp, visitors: Door | None, head: str) -> None:
        self._app = app
        self._visitors = visitors
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            # Nothing of the page needs a WebSocket, and a gate that some requests pass is none.
            if scope["type"] == "lifespan" or self._visitors is None:
                await self._app(scope, receive, send)
            return
        guarded = _Guarded(send, self._head)
        if self._visitors is None:
            await self._app(scope, receive, guarded)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
        token = cookies_of(Headers(scope=scope)).get(COOKIE)
        response: Response | None = None
        if path == "login":
            response = await self._log_in(Request(scope, receive), self._visitors)
        elif path == "logout":
            response = self._log_out(Request(scope), token, self._visitors)
        elif not self._visitors.knows(token):
            is_page = scope["method"] == "GET" and not path
            response = RedirectResponse("login", 303) if is_page else Response(status_code=401)
        if response is not None:
            guarded = _Guarded(send, b"")
        await (response or self._app)(scope, receive, guarded)

    async def _log_in(self, request: Request, visitors: Door) -> Response:
        chosen = request.query_params.get("language") or request.cookies.get(LANGUAGE_COOKIE)
        code = chosen_language(chosen, request.headers.get("accept-language"))
        about = visitors.welcome(code)
        if request.method != "POST":
            return HTMLResponse(login_page(code, about=about))
        if not _is_from_here(request):
            return Response(status_code=403)
        try:
            key = parse_qs((await _bounded_body(request)).decode())["key"][0].strip()
            token = await visitors.admit(key)
        except (ValueError, KeyError):
            return HTMLResponse(login_page(code, about=about), 400)
        except EndpointError as error:
            return HTMLResponse(login_page(code, words_of(code).error(error), about=about), 401)
        response = RedirectResponse(".", 303)
        response.set_cookie(
            COOKIE,
            token,
            max_age=STAY_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def _log_out(self, request: Request, token: str | None, visitors: Door) -> Response:
        if request.method != "POST" or not _is_from_here(request):
            return Response(status_code=405)
        visitors.dismiss(token)
        response = RedirectResponse("login", 303)
        response.delete_cookie(COOKIE)
        return response


def cookies_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the cookies of a request."""
    return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}


def _is_from_here(request: Request) -> bool:
    """Tells whether a form was sent by this page: browsers name the page that sends one."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


async def _bounded_body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM_BYTES:
            raise ValueError("a form of this size is none of ours")
    return body


class _Guarded:
    """Sends an answer with the headers of security, and HTML with a longer head."""

    def __init__(self, send: Send, head: bytes) -> None:
        self._send = send
        self._head = head
        self._start: Message | None = None
        self._html = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif self._start is not None:
            self._html += message.get("body", b"")
            if message.get("more_body"):
                return
            self._html = self._html.replace(b"<head>", b"<head>" + self._head, 1)
            MutableHeaders(scope=self._start)["content-length"] = str(len(self._html))
            await self._send(self._start)
            message = {"type": "http.response.body", "body": self._html}
            self._start = None
        await self._send(message)
