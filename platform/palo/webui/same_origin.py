"""Refuses what other sites make a browser send to a page."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from palo.api_errors import APIError
from palo.security.access import require_loopback
from palo.webui.paths import path_in

_SAFE = ("GET", "HEAD")
_OWN = ("same-origin", "none")
_PAGES = ("", "login")


class SameOrigin:
    """ASGI middleware: a page is used by itself alone.

    A request that says which site it comes from (`Origin`, `Sec-Fetch-Site`) must come from this
    one; a link from elsewhere may open the page. Browsers say so with every request that could do
    harm; other programs needn't. Another port of this machine is another site.

    Args:
        app: The page.
        is_keyless: Whether nobody has to log in. Then it also answers to loopback names only: a
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
            answer = PlainTextResponse("This page answers to requests of its own only.", 403)
            await answer(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._is_keyless:
            try:
                require_loopback(host, origin)
            except APIError:
                return False
        if origin is not None and _place_of(origin) != host.lower():
            return False
        site = headers.get("sec-fetch-site")
        if site is None or site in _OWN:
            return True
        is_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in _SAFE
        return is_link and path_in(scope).strip("/") in _PAGES


def _place_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
