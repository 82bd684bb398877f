"""The head of a request: never longer than a request of ours has a use for.

Everything that comes before the key is a stranger's, so nothing of it may cost time: it is bounded
before anybody looks into it, and cookies, for which the API has no use, never reach the framework,
which reads them with an algorithm that was quadratic in some versions of Python.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode

API_PATHS = ("/v1/", "/metrics", "/healthz")
"""What the paths of the API begin with; all others are a page's."""

_MESSAGE_TOO_BIG = 1009
_COOKIE = b"cookie"


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadBounds:
    """How long the head of a request may be.

    Attributes:
        max_headers: Most headers.
        max_header_bytes: Most bytes of their names and values together.
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
    """ASGI middleware that refuses requests with a long head, before anything reads it.

    Args:
        app: The application.
        bounds: How long is too long.
        api_paths: What the paths begin with that get no cookies.
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
            Refusal: If its head is too long.
        """
        if scope["type"] == "http":
            require_short_head(scope, self._bounds)
            if scope["path"].startswith(self._api_paths):
                scope["headers"] = [pair for pair in scope["headers"] if pair[0] != _COOKIE]
        elif scope["type"] == "websocket" and _is_long(scope, self._bounds):
            await send({"type": "websocket.close", "code": _MESSAGE_TOO_BIG})
            return
        await self._app(scope, receive, send)


def require_short_head(scope: Scope, bounds: HeadBounds) -> None:
    """Refuses a request with a long path, query or headers.

    Raises:
        Refusal: If one of them is too long.
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
