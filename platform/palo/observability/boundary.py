"""The outermost middleware: request ids, error responses and security headers."""

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
_MAX_HEADERS = 100  # requests with more are rejected by HeadLimit anyway


class Boundary:
    """ASGI middleware that gives each request an id and turns exceptions into error responses.

    The id is in `scope["state"]["request_id"]`, in every line of the log, and in the response's
    header. No traceback reaches a client. Responses also forbid MIME sniffing, and those of the
    API caching.

    Args:
        app: The application.
        behind_proxy: Whether a proxy adds the request's own id to the response, as Ray Serve's
            does.
    """

    def __init__(self, app: ASGIApp, *, behind_proxy: bool = False) -> None:
        self._app = app
        self._behind_proxy = behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own_id = _own_request_id(scope)
        request_id = own_id or f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(
            send,
            request_id,
            adds_no_id=self._behind_proxy and own_id is not None,
            is_cacheable=not scope["path"].startswith(API_PATHS),
        )
        with request_named(request_id):
            try:
                await self._app(scope, receive, answer.send)
            except APIError as error:
                await answer.send_error(error)
            except Exception:
                _LOG.exception("a request failed")
                await answer.send_error(
                    APIError("the server failed", fix="Ask again.", code=APIErrorCode.INTERNAL)
                )


class _Answer:
    def __init__(
        self, send: Send, request_id: str, *, adds_no_id: bool, is_cacheable: bool
    ) -> None:
        self._send = send
        self._request_id = request_id
        self._adds_no_id = adds_no_id
        self._is_cacheable = is_cacheable
        self._has_begun = False
        self._is_whole = False
        self._is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name.lower(): value for name, value in headers}
            if b"x-request-id" not in names and not self._adds_no_id:
                headers.append((b"x-request-id", self._request_id.encode()))
            if b"x-content-type-options" not in names:
                headers.append((b"x-content-type-options", b"nosniff"))
            if b"cache-control" not in names and not self._is_cacheable:
                headers.append((b"cache-control", b"no-store"))
            self._has_begun = True
            self._is_stream = names.get(b"content-type", b"").startswith(b"text/event-stream")
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self._is_whole = not message.get("more_body", False)
        await self._send(message)

    async def send_error(self, error: APIError) -> None:
        """Sends an error as far as that is still possible."""
        body = orjson.dumps(error.body(self._request_id))
        if not self._has_begun:
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
            # The body has begun: only a broken connection tells the client that it is incomplete.
            raise ConnectionAbortedError(f"request {self._request_id} failed in its answer")


def _own_request_id(scope: Scope) -> str | None:
    """Returns a request's own id, if it is a plain one."""
    for name, value in islice(scope["headers"], _MAX_HEADERS):
        if name == b"x-request-id" and _NAME.fullmatch(value):
            return str(value.decode())
    return None
