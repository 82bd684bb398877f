"""Authentication: only visitors whose token and key are good reach a page.

Every request passes here, also for uploads and files, which Gradio itself doesn't protect.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.client import EndpointError
from palo.security.audit_log import AuditThrottle, record
from palo.webui.login import LoginLimit, key_of_form, render_login
from palo.webui.paths import error_response
from palo.webui.request import (
    LANGUAGE_COOKIE,
    LOGIN,
    LOGOUT,
    address_of,
    cookies_of,
    is_stream,
    path_in,
    visitor_cookie,
    without_cookies,
)
from palo.webui.texts import PageTexts, chosen_language, isolated, page_texts
from palo.webui.visitors import (
    CONFIRM_EVERY_S,
    STAY_S,
    Authenticator,
    Tokens,
    Visitor,
    can_be_key,
)

_ADMIT_S = 20.0
_MAX_CHECKS = 4


class Authentication:
    """ASGI middleware: passes on the requests of visitors, each with its visitor.

    A request that it passes on has the visitor in `scope["state"]["visitor"]`, and no cookie but
    that of the language. On a page without a login, a browser gets a token with the page, so that
    sessions and files of one browser don't belong to another.

    Args:
        app: The page.
        authenticator: Checks keys and tokens; None for a page without a login.
        limit: Limit on attempts to log in.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator | None,
        limit: LoginLimit | None = None,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._guests: Tokens[None] = Tokens()
        self._visitors: Authenticator | Tokens[None] = (
            self._guests if authenticator is None else authenticator
        )
        self._limit = limit or LoginLimit()
        self._checking = asyncio.Semaphore(_MAX_CHECKS)
        self._throttle = AuditThrottle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        path = path_in(scope)
        cookies = cookies_of(Headers(scope=scope))
        token = cookies.get(visitor_cookie(scope))
        language = cookies.get(LANGUAGE_COOKIE)
        response: Response | None = None
        if self._authenticator is not None and path.strip("/") == LOGIN:
            response = await self._log_in(Request(scope, receive), self._authenticator, language)
        elif path.strip("/") == LOGOUT:
            response = self._log_out(Request(scope), token)
        if response is not None:
            await response(scope, receive, send)
            return
        visitor = self._visitors.visitor(token)
        if visitor is not None and not await self._visitors.confirm(visitor):
            visitor = None
        is_page = scope["method"] in ("GET", "HEAD") and not path.strip("/")
        if visitor is None and self._authenticator is None and is_page:
            token = self._guests.issue(None)
            visitor = self._guests.visitor(token)
            send = _with_cookie(send, scope, token)
        if visitor is None:
            response = (
                RedirectResponse(LOGIN, 303) if is_page else error_response(_unknown(), scope)
            )
            await response(scope, receive, send)
            return
        await self._pass_on(visitor, scope, receive, send, language)

    async def _pass_on(
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
        self, request: Request, authenticator: Authenticator, language: str | None
    ) -> Response:
        chosen = request.query_params.get("language") or language
        code = chosen_language(chosen, request.headers.get("accept-language"))
        about, texts = authenticator.about(code), page_texts(code)
        if request.method != "POST":
            return HTMLResponse(render_login(code, about=about))
        address = address_of(request.scope)
        if wait_s := self._limit.begin(address):
            self._throttle.record("page_login_limited", client=address)
            return _limited(texts, about, wait_s)
        try:
            key = await key_of_form(request)
            token = await self._admitted(authenticator, key)
        except (ValueError, KeyError, TimeoutError):
            return HTMLResponse(render_login(code, about=about), 400)
        except EndpointError as error:
            self._throttle.record("page_login_refused", client=address, reason=error.code)
            status = 401 if error.code is APIErrorCode.INVALID_API_KEY else 503
            return HTMLResponse(render_login(code, texts.error(error), about=about), status)
        self._limit.succeeded(address)
        visitor = authenticator.visitor(token)
        record("page_login", client=address, login=visitor.owner if visitor else None)
        response = RedirectResponse(".", 303)
        _set_cookie(response, request.scope, token)
        return response

    async def _admitted(self, authenticator: Authenticator, key: str) -> str:
        if not can_be_key(key):
            raise EndpointError("this can't be a key", code=APIErrorCode.INVALID_API_KEY)
        try:
            async with asyncio.timeout(_ADMIT_S), self._checking:
                return await authenticator.admit(key)
        except TimeoutError:
            raise EndpointError("too many logins wait", code=APIErrorCode.OVERLOADED) from None

    def _log_out(self, request: Request, token: str | None) -> Response:
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})
        visitor = self._visitors.visitor(token)
        if visitor is not None:
            self._visitors.revoke(token)
            record("page_logout", login=visitor.owner or None)
        response = RedirectResponse("." if self._authenticator is None else "login", 303)
        is_https = request.scope.get("scheme") == "https"  # the name's prefix requires it
        response.delete_cookie(visitor_cookie(request.scope), secure=is_https)
        return response


def _unknown() -> APIError:
    return APIError(
        "nobody is logged in here",
        fix="Open the page in a browser, and log in if it asks for a key.",
        code=APIErrorCode.INVALID_API_KEY,
    )


def _limited(texts: PageTexts, about: str, wait_s: float) -> Response:
    seconds = math.ceil(wait_s)
    message = texts["log_in_limited"].format(seconds=isolated(seconds))
    page = render_login(texts.language.code, message, about=about)
    return HTMLResponse(page, 429, {"Retry-After": str(seconds)})


def _set_cookie(response: Response, scope: Scope, token: str) -> None:
    response.set_cookie(
        visitor_cookie(scope),
        token,
        max_age=STAY_S,
        httponly=True,
        samesite="strict",
        secure=scope.get("scheme") == "https",
    )


def _with_cookie(send: Send, scope: Scope, token: str) -> Send:
    """Returns a `send` that adds a visitor's cookie to the answer."""
    answer = Response()
    _set_cookie(answer, scope, token)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("set-cookie", answer.headers["set-cookie"])
        await send(message)

    return sending


async def until_gone(
    visitor: Visitor[Any],
    confirm: Callable[[Visitor[Any]], Awaitable[bool]],
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Answers a request, and ends the answer when the visitor has left or lost their key.

    Args:
        visitor: The visitor.
        confirm: Tells whether they may stay.
        app: The page.
        scope: The request.
        receive: The request's messages, as ASGI defines them.
        send: Takes the answer's messages, as ASGI defines them.
    """
    begun = ended = False

    async def forwarding(message: Message) -> None:
        nonlocal begun, ended
        begun = True
        ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await send(message)

    answer = asyncio.ensure_future(app(scope, receive, forwarding))
    watch = asyncio.ensure_future(_gone(visitor, confirm))
    try:
        await asyncio.wait({answer, watch}, return_when=asyncio.FIRST_COMPLETED)
        is_over = answer.done()
    finally:
        answer.cancel()
        watch.cancel()
        await asyncio.wait({answer, watch})
    if is_over:
        answer.result()
    elif begun and not ended:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(visitor: Visitor[Any], confirm: Callable[[Visitor[Any]], Awaitable[bool]]) -> None:
    while await confirm(visitor):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_EVERY_S):
                await visitor.gone.wait()
