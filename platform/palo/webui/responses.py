"""Headers of every answer of a page, and the size of every request's."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.webui.paths import is_asset, path_in

_MAX_HEADER_BYTES = 16 << 10
_MAX_COOKIE_BYTES = 8 << 10
_YEAR_S = 365 * 24 * 3600
SECURITY_HEADERS: Mapping[str, str] = {
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
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""What browsers may do with any answer."""


class Responses:
    """ASGI middleware: the security headers, and a bound on the headers of requests.

    Args:
        app: The page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection; only HTTP: nothing of a page needs a WebSocket."""
        if scope["type"] != "http":
            return
        is_public = is_asset(path_in(scope))
        is_https = scope.get("scheme") == "https"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                if not is_public:
                    headers["cache-control"] = "no-store"
                if is_https:
                    headers["strict-transport-security"] = f"max-age={_YEAR_S}"
            await send(message)

        if _are_too_large(scope):
            answer = PlainTextResponse("The headers of the request are too large.", 431)
            await answer(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def _are_too_large(scope: Scope) -> bool:
    total = sum(len(name) + len(value) for name, value in scope["headers"])
    cookies = sum(len(value) for name, value in scope["headers"] if name.lower() == b"cookie")
    return total > _MAX_HEADER_BYTES or cookies > _MAX_COOKIE_BYTES
