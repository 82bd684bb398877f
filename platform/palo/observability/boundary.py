"""The edge of the application: every request has a name, and no fault of ours is seen beyond it.

Its answers also tell browsers to guess no types, and those of the API to be kept by nobody.
"""

import logging
import re
import secrets
from itertools import islice

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.observability.logs import request_named
from palo.security.http_limits import API_PATHS

_LOG = logging.getLogger(__name__)
_NAME = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_MAX_HEADERS = 100  # requests with more are refused within, whatever their name


class Boundary:
    """ASGI middleware that names requests and answers for what goes wrong within.

    The name is in `scope["state"]["request_id"]`, in every line of the log, and in the answer's
    header unless it is there already.

    Args:
        app: The application.
        behind_proxy: Whether a proxy tells clients the names that requests come with, as Ray
            Serve's does.
    """

    def __init__(self, app: ASGIApp, *, behind_proxy: bool = False) -> None:
        self._app = app
        self._behind_proxy = behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _given_name(scope)
        request_id = given or f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(
            send,
            request_id,
            is_told=self._behind_proxy and given is not None,
            is_kept=not scope["path"].startswith(API_PATHS),
        )
        with request_named(request_id):
            try:
                await self._app(scope, receive, answer.send)
            except APIError as error:
                await answer.refuse(error)
            except Exception:
                _LOG.exception("a request failed")
                await answer.refuse(
                    APIError("the server failed", fix="Ask again.", code=APIErrorCode.INTERNAL)
                )


class _Answer:
    def __init__(self, send: Send, request_id: str, *, is_told: bool, is_kept: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._is_told = is_told
        self._is_kept = is_kept
        self._is_begun = False
        self._is_whole = False
        self._is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name.lower(): value for name, value in headers}
            if b"x-request-id" not in names and not self._is_told:
                headers.append((b"x-request-id", self._request_id.encode()))
            if b"x-content-type-options" not in names:
                headers.append((b"x-content-type-options", b"nosniff"))
            if b"cache-control" not in names and not self._is_kept:
                headers.append((b"cache-control", b"no-store"))
            self._is_begun = True
            self._is_stream = names.get(b"content-type", b"").startswith(b"text/event-stream")
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self._is_whole = not message.get("more_body", False)
        await self._send(message)

    async def refuse(self, error: APIError) -> None:
        """Answers with a refusal as far as that is still possible."""
        body = orjson.dumps(error.body(self._request_id))
        if not self._is_begun:
            headers = {"content-type": "application/json", **error.headers()}
            await self.send(
                {
                    "type": "http.response.start",
                    "status": error.code.status,
                    "headers": [(n.lower().encode(), v.encode()) for n, v in headers.items()],
                }
            )
            await self.send({"type": "http.response.body", "body": body})
        elif self._is_stream and not self._is_whole:
            event = b"data: " + body + b"\n\ndata: [DONE]\n\n"
            await self.send({"type": "http.response.body", "body": event})
        elif not self._is_whole:
            # Half an answer can't be taken back: without its end, its client knows.
            raise ConnectionAbortedError(f"request {self._request_id} failed in its answer")


def _given_name(scope: Scope) -> str | None:
    """Returns the name that a request came with, if it is a plain one."""
    for name, value in islice(scope["headers"], _MAX_HEADERS):
        if name == b"x-request-id" and _NAME.fullmatch(value):
            return str(value.decode())
    return None
