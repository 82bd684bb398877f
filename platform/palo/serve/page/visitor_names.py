"""Names of visitors, for what is counted by visitor."""

from starlette.datastructures import Headers
from starlette.types import Scope

from palo.serve.page.gate import COOKIE, Door, cookies_of


class VisitorNames:
    """Names the visitor of a request: by their login, or by the address that they come from.

    A cookie that nobody gave out names nobody: with a new one each time, a visitor would be many.

    Args:
        door: Who has logged in; None if nobody needs to.
        trust_forwarded_for: Believes the last address in `X-Forwarded-For`, which the nearest proxy
            has added; whatever stands before it comes from the client.
    """

    def __init__(self, door: Door | None, *, trust_forwarded_for: bool) -> None:
        self._door = door
        self._trust_forwarded_for = trust_forwarded_for

    def __call__(self, scope: Scope) -> str:
        """Returns the name."""
        headers = Headers(scope=scope)
        if self._door is not None:
            token = cookies_of(headers).get(COOKIE)
            if token is not None and self._door.knows(token):
                return token
        if self._trust_forwarded_for and (forwarded := headers.getlist("x-forwarded-for")):
            return forwarded[-1].rpartition(",")[2].strip()
        client = scope.get("client")
        return str(client[0]) if client else ""
