"""Limits of HTTP requests: the length of their heads, the size and pace of their bodies.

Everything before authentication is a stranger's, so that it is bounded before it is parsed. Cookies
never reach the API, whose framework parses them with an algorithm that was quadratic in some
versions of Python. A declared Content-Length is trusted only to reject a body; actual bytes are
counted.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode

API_PATHS = ("/v1/", "/metrics", "/health")
"""Prefixes of the API's paths; all others belong to a page."""

_MESSAGE_TOO_BIG = 1009
_COOKIE = b"cookie"
_RETRY_S = 2.0
_LONGEST_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadBounds:
    """Bounds of a request's head.

    Attributes:
        max_headers: Most headers.
        max_header_bytes: Most bytes of all names and values.
        max_path_bytes: Longest path.
        max_query_bytes: Longest query string.
    """

    max_headers: int = 100
    max_header_bytes: int = 16 << 10
    max_path_bytes: int = 2 << 10
    max_query_bytes: int = 8 << 10

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is out of range."""
        for name in ("max_headers", "max_header_bytes", "max_path_bytes"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if self.max_query_bytes < 0:
            yield f"max_query_bytes can't be negative, not {self.max_query_bytes}"


class HeadLimit:
    """ASGI middleware that rejects requests with a long head, before anything parses it.

    Args:
        app: The application.
        bounds: Bounds of the head.
        api_paths: Prefixes of the paths whose cookies are removed.
    """

    def __init__(
        self,
        app: ASGIApp,
        bounds: HeadBounds | None = None,
        api_paths: Sequence[str] = API_PATHS,
    ) -> None:
        self._app = app
        self._bounds = bounds or HeadBounds()
        self._api_paths = tuple(api_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection.

        Raises:
            APIError: If its head is too long.
        """
        if scope["type"] == "http":
            require_short_head(scope, self._bounds)
            if scope["path"].startswith(self._api_paths):
                scope["headers"] = [pair for pair in scope["headers"] if pair[0] != _COOKIE]
        elif scope["type"] == "websocket" and _is_long(scope, self._bounds):
            await send({"type": "websocket.close", "code": _MESSAGE_TOO_BIG})
            return
        await self._app(scope, receive, send)


class SlashlessPath:
    """ASGI middleware that takes a path with a slash at its end as the one without.

    A redirect would name the address behind a proxy, and some clients don't follow it with a body.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] == "http" and len(path := scope["path"]) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.removesuffix("/")}
        await self._app(scope, receive, send)


def require_short_head(scope: Scope, bounds: HeadBounds) -> None:
    """Rejects a request with a long path, query or headers.

    Args:
        scope: Its ASGI scope.
        bounds: Bounds of the head.

    Raises:
        APIError: If one of them is too long.
    """
    if len(scope["path"]) > bounds.max_path_bytes:
        raise _too_long("path", bounds.max_path_bytes)
    if len(scope.get("query_string", b"")) > bounds.max_query_bytes:
        raise _too_long("query", bounds.max_query_bytes)
    headers = scope["headers"]
    if len(headers) > bounds.max_headers:
        raise APIError(
            "the request has too many headers",
            fix=f"Send at most {bounds.max_headers}.",
            code=APIErrorCode.HEADERS_TOO_LARGE,
        )
    if sum(len(name) + len(value) for name, value in headers) > bounds.max_header_bytes:
        raise APIError(
            "the headers of the request are too large",
            fix=f"Send at most {bounds.max_header_bytes} bytes, cookies included.",
            code=APIErrorCode.HEADERS_TOO_LARGE,
        )


def _too_long(what: str, max_bytes: int) -> APIError:
    return APIError(
        f"the {what} of the request's address is too long",
        fix=f"It has at most {max_bytes} bytes.",
        code=APIErrorCode.URL_TOO_LONG,
    )


def _is_long(scope: Scope, bounds: HeadBounds) -> bool:
    try:
        require_short_head(scope, bounds)
    except APIError:
        return True
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyBounds:
    """Bounds of a request's body.

    Attributes:
        max_bytes: Largest body.
        max_all_bytes: Most bytes of all bodies at once.
        idle_s: Longest pause within a body.
        total_s: Longest time for receiving a whole body.
        max_json_values: Most JSON values of a body, at any depth: small text can hold millions of
            them, each far larger in memory. A comma in a text counts as one.
        max_json_fields: Most JSON fields, objects and arrays, which are even larger.
    """

    max_bytes: int = 32 << 20
    max_all_bytes: int = 512 << 20
    idle_s: float = 10.0
    total_s: float = 60.0
    max_json_values: int = 250_000
    max_json_fields: int = 50_000

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is out of range."""
        if not 0 < self.max_bytes <= self.max_all_bytes:
            yield f"max_bytes must be from 1 to max_all_bytes, not {self.max_bytes}"
        for name in ("idle_s", "total_s"):
            if not 0 < getattr(self, name) <= _LONGEST_S:
                yield f"{name} must be above 0, at most an hour, not {getattr(self, name)}"
        for name in ("max_json_values", "max_json_fields"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"


class BodyLimit:
    """ASGI middleware that bounds the bodies of requests.

    A body beyond a bound raises APIError from the application's `receive`, in the handler that
    reads it.

    Args:
        app: The application.
        bounds: Bounds of the bodies.
        paths: Prefixes of the paths whose bodies are bounded.
    """

    def __init__(self, app: ASGIApp, bounds: BodyBounds, paths: Sequence[str] = ("/",)) -> None:
        self._app = app
        self._bounds = bounds
        self._paths = tuple(paths)
        self._num_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(self._paths):
            await self._app(scope, receive, send)
            return
        body = _Body(self, self._bounds, receive, content_length(scope))
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._num_bytes -= body.num_bytes

    def take(self, num_bytes: int) -> None:
        """Counts received bytes of a body.

        Args:
            num_bytes: How many.

        Raises:
            APIError: If all bodies together have too many.
        """
        self._num_bytes += num_bytes
        if self._num_bytes > self._bounds.max_all_bytes:
            raise APIError(
                "too many large requests at once",
                fix=f"Try again in {_RETRY_S:.0f} s.",
                code=APIErrorCode.OVERLOADED,
                retry_after_s=_RETRY_S,
            )


class _Body:
    def __init__(
        self, limit: BodyLimit, bounds: BodyBounds, receive: Receive, declared: int
    ) -> None:
        self.num_bytes = 0
        self._limit = limit
        self._bounds = bounds
        self._receive = receive
        self._declared = declared
        self._ends_s: float | None = None
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:  # the next message is the client's disconnection, at any time
            return await self._receive()
        if self._declared > self._bounds.max_bytes:
            raise _too_large(self._bounds.max_bytes)
        message = await self._next()
        if message["type"] != "http.request":
            return message
        size = len(message.get("body", b""))
        self.num_bytes += size
        self._limit.take(size)
        if self.num_bytes > self._bounds.max_bytes:
            raise _too_large(self._bounds.max_bytes)
        self._is_whole = not message.get("more_body", False)
        return message

    async def _next(self) -> Message:
        now = asyncio.get_running_loop().time()
        if self._ends_s is None:
            self._ends_s = now + self._bounds.total_s
        try:
            async with asyncio.timeout(min(self._bounds.idle_s, self._ends_s - now)):
                return await self._receive()
        except TimeoutError:
            raise APIError(
                "the body of the request comes too slowly",
                fix="Send it faster, or send smaller images.",
                code=APIErrorCode.TIMEOUT,
            ) from None


def require_few_values(body: bytes | bytearray, bounds: BodyBounds) -> None:
    """Rejects JSON of too many values, before it is parsed.

    Args:
        body: JSON without large images.
        bounds: Bounds of the body.

    Raises:
        APIError: If it may have more.
    """
    num_containers = body.count(b"[") + body.count(b"{")
    num_values = num_containers + body.count(b",")
    num_fields = num_containers + body.count(b":")
    for what, number, most in (
        ("values", num_values, bounds.max_json_values),
        ("fields", num_fields, bounds.max_json_fields),
    ):
        if number > most:
            raise APIError(
                f"the body has too many {what}",
                fix=f"Send at most {most}.",
                code=APIErrorCode.INVALID_REQUEST,
            )


def content_length(scope: Scope) -> int:
    """Returns the Content-Length of a request; 0 if it is missing or malformed.

    Args:
        scope: Its ASGI scope.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 20:
            return int(value)
    return 0


def _too_large(max_bytes: int) -> APIError:
    return APIError(
        "the request is too large",
        fix=f"Send at most {max_bytes >> 20} MiB, images included."
        if max_bytes >= 1 << 20
        else f"Send at most {max_bytes} bytes.",
        code=APIErrorCode.BODY_TOO_LARGE,
    )
