"""Protection by the browser: requests of the page's own origin alone, and security headers."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palo.api_errors import APIError
from palo.security.access import require_loopback
from palo.webui.request import is_asset, path_in

_SAFE = ("GET", "HEAD")
_OWN = ("same-origin", "none")
_PAGES = ("", "login")
_MAX_HEADER_BYTES = 16 << 10
_MAX_COOKIE_BYTES = 8 << 10
_NOT_OWN = (
    "This page answers to requests of its own only. Behind a reverse proxy, set the page's "
    "proxy.public_url, or let the proxy send X-Forwarded-Host.\n"
)
# Most of their names hold a hash of their contents; those of another release replace the rest.
_ASSETS_KEPT = "public, max-age=86400"
_YEAR_S = 365 * 24 * 3600
SECURITY_HEADERS: Mapping[str, str] = {
    # Nothing from elsewhere, whatever the page's components would load.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Without one, browsers wouldn't name the origin of a form either.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every answer."""


class SameOrigin:
    """ASGI middleware: refuses requests that other sites make a browser send.

    A request that names the site it comes from (`Origin`, `Sec-Fetch-Site`) must come from this
    one; a link from elsewhere may open the page. Browsers name it in every request that could do
    harm; other programs needn't. Another port of this machine is another site.

    Args:
        app: The page.
        is_keyless: Whether the page has no login. Then it also answers to loopback names only: a
            site whose name leads to this machine (DNS rebinding) would have its own origin.
    """

    def __init__(self, app: ASGIApp, *, is_keyless: bool) -> None:
        self._app = app
        self._is_keyless = is_keyless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if self._is_own(scope):
            await self._app(scope, receive, send)
        else:
            answer = PlainTextResponse(_NOT_OWN, 403)
            await answer(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._is_keyless:
            try:
                require_loopback(host, origin)
            except APIError:
                return False
        if origin is not None and _host_of(origin) != host.lower():
            return False
        site = headers.get("sec-fetch-site")
        if site is None or site in _OWN:
            return True
        is_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in _SAFE
        return is_link and path_in(scope).strip("/") in _PAGES


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


class ResponseHeaders:
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
                headers["cache-control"] = _ASSETS_KEPT if is_public else "no-store"
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
