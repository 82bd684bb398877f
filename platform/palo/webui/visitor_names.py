"""Names of visitors, for what is counted by visitor."""

from starlette.datastructures import Headers
from starlette.types import Scope

from palo.webui.visitors import visitor_of


class VisitorNames:
    """Names the visitor of a request: by whose login it is, or by the address that they come from.

    All logins with one key are one visitor, and a cookie that anybody gets names nobody: with a new
    one each time, a visitor would be many.

    Args:
        by_login: Whether visitors log in.
        trust_forwarded_for: Believes the last address in `X-Forwarded-For`, which the nearest proxy
            has added; whatever stands before it comes from the client.
    """

    def __init__(self, *, by_login: bool, trust_forwarded_for: bool) -> None:
        self._by_login = by_login
        self._trust_forwarded_for = trust_forwarded_for

    def __call__(self, scope: Scope) -> str:
        """Returns the name for a request that the gate has let in."""
        if self._by_login:
            return visitor_of(scope).owner
        return address_of(scope, trust_forwarded_for=self._trust_forwarded_for)


def address_of(scope: Scope, *, trust_forwarded_for: bool) -> str:
    """Returns the address that a request comes from; "" if nothing is known of it.

    Args:
        scope: The request.
        trust_forwarded_for: See `VisitorNames`.
    """
    if trust_forwarded_for and (forwarded := Headers(scope=scope).getlist("x-forwarded-for")):
        return forwarded[-1].rpartition(",")[2].strip()
    client = scope.get("client")
    return str(client[0]) if client else ""
