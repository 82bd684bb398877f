"""Who may see a page: visitors with a token of ours, whose key is still good.

Every request passes here, uploads and files too, which Gradio itself gives to anybody.
"""

import asyncio
import math
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.api_errors import APIErrorCode
from palo.client import EndpointError
from palo.security.audit_log import AuditThrottle, record
from palo.webui.cookies import LANGUAGE_COOKIE, cookies_of, visitor_cookie, without_cookies
from palo.webui.login_limit import LoginLimit
from palo.webui.login_page import render_login
from palo.webui.paths import is_stream, path_in
from palo.webui.streams import until_gone
from palo.webui.texts import PageTexts, chosen_language, isolated, page_texts
from palo.webui.tokens import STAY_S, Tokens, Visitor
from palo.webui.visitor_names import address_of
from palo.webui.visitors import Authenticator, can_be_key

_MAX_FORM_BYTES = 4096
_FORM_S = 10.0
_ADMIT_S = 20.0
_MOST_ASKING = 4


class AuthenticationGate:
    """ASGI middleware: lets visitors in, and tells the page whose request it is.

    What it lets through has the visitor in `scope["state"]["visitor"]`, and no cookie but that of
    the language. Where nobody has to log in, a browser gets a token with the page, so that what
    belongs to one browser isn't another's.

    Args:
        app: The page.
        door: Who may come in; None if everybody may.
        limit: How often somebody may try to log in.
        trust_forwarded_for: See `palo.webui.visitor_names`.
    """

    def __init__(
        self,
        app: ASGIApp,
        door: Authenticator | None,
        limit: LoginLimit | None = None,
        *,
        trust_forwarded_for: bool = False,
    ) -> None:
        self._app = app
        self._door = door
        self._guests: Tokens[None] = Tokens()
        self._visitors: Authenticator | Tokens[None] = self._guests if door is None else door
        self._limit = limit or LoginLimit()
        self._trust_forwarded_for = trust_forwarded_for
        self._asking = asyncio.Semaphore(_MOST_ASKING)
        self._throttle = AuditThrottle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        path = path_in(scope)
        cookies = cookies_of(Headers(scope=scope))
        token = cookies.get(visitor_cookie(scope))
        language = cookies.get(LANGUAGE_COOKIE)
        response: Response | None = None
        if self._door is not None and path.strip("/") == "login":
            response = await self._log_in(Request(scope, receive), self._door, language)
        elif path.strip("/") == "logout":
            response = self._log_out(Request(scope), token)
        if response is not None:
            await response(scope, receive, send)
            return
        visitor = self._visitors.visitor(token)
        if visitor is not None and not await self._visitors.confirm(visitor):
            visitor = None
        is_page = scope["method"] == "GET" and not path.strip("/")
        if visitor is None and self._door is None and is_page:
            token = self._guests.give(None)
            visitor = self._guests.visitor(token)
            send = _setting_cookie(send, scope, token)
        if visitor is None:
            response = RedirectResponse("login", 303) if is_page else Response(status_code=401)
            await response(scope, receive, send)
            return
        await self._let_in(visitor, scope, receive, send, language)

    async def _let_in(
        self,
        visitor: Visitor[Any],
        scope: Scope,
        receive: Receive,
        send: Send,
        language: str | None,
    ) -> None:
        is_long = is_stream(path_in(scope))
        headers = without_cookies(scope["headers"], language)
        state = {**scope.get("state", {}), "visitor": visitor}
        scope = {**scope, "headers": headers, "state": state}
        if is_long:
            confirm = self._visitors.confirm
            await until_gone(visitor, confirm, self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _log_in(
        self, request: Request, door: Authenticator, language: str | None
    ) -> Response:
        chosen = request.query_params.get("language") or language
        code = chosen_language(chosen, request.headers.get("accept-language"))
        about, words = door.welcome(code), page_texts(code)
        if request.method != "POST":
            return HTMLResponse(render_login(code, about=about))
        address = address_of(request.scope, trust_forwarded_for=self._trust_forwarded_for)
        if wait_s := self._limit.begin(address):
            self._throttle.record("page_login_limited", client=address)
            return _limited(words, about, wait_s)
        try:
            key = await _key_of(request)
            token = await self._admitted(door, key)
        except (ValueError, KeyError, TimeoutError):
            return HTMLResponse(render_login(code, about=about), 400)
        except EndpointError as error:
            self._throttle.record("page_login_refused", client=address, reason=error.code)
            status = 401 if error.code is APIErrorCode.INVALID_API_KEY else 503
            return HTMLResponse(render_login(code, words.error(error), about=about), status)
        self._limit.succeeded(address)
        visitor = door.visitor(token)
        record("page_login", client=address, login=visitor.owner if visitor else None)
        response = RedirectResponse(".", 303)
        _set_cookie(response, request.scope, token)
        return response

    async def _admitted(self, door: Authenticator, key: str) -> str:
        if not can_be_key(key):
            raise EndpointError("this can't be a key", code=APIErrorCode.INVALID_API_KEY)
        try:
            async with asyncio.timeout(_ADMIT_S), self._asking:
                return await door.admit(key)
        except TimeoutError:
            raise EndpointError("too many wait", code=APIErrorCode.OVERLOADED) from None

    def _log_out(self, request: Request, token: str | None) -> Response:
        if request.method != "POST":
            return Response(status_code=405)
        visitor = self._visitors.visitor(token)
        if visitor is not None:
            self._visitors.dismiss(token)
            record("page_logout", login=visitor.owner or None)
        response = RedirectResponse("." if self._door is None else "login", 303)
        is_https = request.scope.get("scheme") == "https"  # where the name's prefix asks for it
        response.delete_cookie(visitor_cookie(request.scope), secure=is_https)
        return response


def _limited(words: PageTexts, about: str, wait_s: float) -> Response:
    seconds = math.ceil(wait_s)
    told = words["log_in_limited"].format(seconds=isolated(seconds))
    page = render_login(words.language.code, told, about=about)
    return HTMLResponse(page, 429, {"Retry-After": str(seconds)})


async def _key_of(request: Request) -> str:
    """Returns the key of the login's form.

    Raises:
        ValueError: If it is no such form.
        KeyError: If it has no key.
        TimeoutError: If it comes too slowly.
    """
    body = b""
    async with asyncio.timeout(_FORM_S):
        async for part in request.stream():
            body += part
            if len(body) > _MAX_FORM_BYTES:
                raise ValueError("a form of this size is none of ours")
    return parse_qs(body.decode())["key"][0].strip()


def _set_cookie(response: Response, scope: Scope, token: str) -> None:
    response.set_cookie(
        visitor_cookie(scope),
        token,
        max_age=STAY_S,
        httponly=True,
        samesite="strict",
        secure=scope.get("scheme") == "https",
    )


def _setting_cookie(send: Send, scope: Scope, token: str) -> Send:
    """Returns what sends an answer with a visitor's cookie."""
    answer = Response()
    _set_cookie(answer, scope, token)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("set-cookie", answer.headers["set-cookie"])
        await send(message)

    return sending
