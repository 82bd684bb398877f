"""Visitors of a page: their logins, the tokens of their browsers, and their names."""

import asyncio
import dataclasses
import hashlib
import re
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from starlette.types import Scope

from palo.api_errors import APIErrorCode
from palo.client import AsyncChatClient, Endpoint, EndpointError
from palo.security.audit_log import record
from palo.webui.request import address_of
from palo.webui.texts import page_texts

T = TypeVar("T")
STAY_S = 12 * 3600
"""Seconds that a token is valid."""
CONFIRM_EVERY_S = 5.0
"""Seconds between two checks of a login's key."""
_MAX_VISITORS = 10_000
_MAX_FILES = 1_000
_MAX_LOGINS_OF_KEY = 100
_CONFIRM_S = 3.0
# For any server: characters that a header can hold, and longer than any key.
_KEY = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(kw_only=True, eq=False, slots=True)
class Visitor(Generic[T]):
    """A visitor: one browser with a token.

    Attributes:
        id: Names them within this process; it can't be turned back into the token.
        value: Value of their login, such as a key.
        owner: Name of the login's owner; one owner's logins push out no others.
        ends_s: When the token ends, on the clock that only goes forward.
        confirmed_s: When their key was last looked at.
        files: Their uploads, the latest last.
        gone: Set when they log out, are pushed out or lose their key.
        stops: Set then too: each ends one of their answers.
    """

    id: str
    value: T
    owner: str
    ends_s: float
    confirmed_s: float
    files: OrderedDict[str, None] = field(default_factory=OrderedDict)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    stops: set[asyncio.Event] = field(default_factory=set)

    def session(self, number: str) -> str:
        """Returns the page's name for a session, which a browser only numbers.

        Args:
            number: The browser's number of the session.
        """
        return f"{self.id}-{number}"

    @contextmanager
    def stopping(self, stop: asyncio.Event) -> Iterator[None]:
        """Sets an event when they are gone, for the length of the block.

        Args:
            stop: The event.
        """
        self.stops.add(stop)
        try:
            yield
        finally:
            self.stops.discard(stop)

    def add_file(self, path: str) -> None:
        """Remembers an upload; of very many, the oldest are forgotten.

        Args:
            path: Path of the file.
        """
        self.files[path] = None
        self.files.move_to_end(path)
        while len(self.files) > _MAX_FILES:
            self.files.popitem(last=False)


class Tokens(Generic[T]):
    """The logins of this process, each with a value.

    Args:
        most_of_one: Most logins of one owner at a time; the oldest make room.
    """

    def __init__(self, most_of_one: int = _MAX_VISITORS) -> None:
        self._most_of_one = most_of_one
        self._known: OrderedDict[str, Visitor[T]] = OrderedDict()

    def issue(self, value: T, owner: str = "") -> str:
        """Returns a new visitor's token.

        Args:
            value: Value of the login, such as a key.
            owner: Name of the login's owner.
        """
        token = secrets.token_urlsafe(32)
        now = time.monotonic()
        self._make_room(owner, now)
        self._known[_id_of(token)] = Visitor(
            id=_id_of(token), value=value, owner=owner, ends_s=now + STAY_S, confirmed_s=now
        )
        return token

    def visitor(self, token: str | None) -> Visitor[T] | None:
        """Returns the visitor of a token; None if it is unknown or has expired.

        Args:
            token: The token; None without a cookie.
        """
        found = self._known.get(_id_of(token)) if token is not None else None
        if found is None or found.ends_s <= time.monotonic():
            return None
        self._known.move_to_end(found.id)  # who is active is the last to be pushed out
        return found

    def value(self, token: str | None) -> T | None:
        """Returns the value of a login; None if its token is unknown or has expired.

        Args:
            token: The token; None without a cookie.
        """
        found = self.visitor(token)
        return found.value if found is not None else None

    def knows(self, token: str | None) -> bool:
        """Tells whether a token is known and valid.

        Args:
            token: The token; None without a cookie.
        """
        return self.visitor(token) is not None

    def revoke(self, token: str | None) -> None:
        """Ends a login and all answers that are open for it.

        Args:
            token: The token; None without a cookie.
        """
        if token is not None:
            self._forget(_id_of(token))

    async def confirm(self, visitor: Visitor[T]) -> bool:
        """Tells whether a visitor may stay; looks at their key again when it is time.

        One request asks; those that come meanwhile don't wait for it.

        Args:
            visitor: The visitor.
        """
        now = time.monotonic()
        if visitor.gone.is_set() or visitor.ends_s <= now:
            return False
        if now - visitor.confirmed_s >= CONFIRM_EVERY_S:
            visitor.confirmed_s = now
            if not await self.is_still_good(visitor.value):
                self._forget(visitor.id)
                record("page_login_revoked", login=visitor.owner or visitor.id[:8])
        return not visitor.gone.is_set()

    async def is_still_good(self, value: T) -> bool:
        """Tells whether the value of a login, such as a key, is still valid.

        Args:
            value: The value.
        """
        return True

    def _make_room(self, owner: str, now: float) -> None:
        for one in [one for one in self._known.values() if one.ends_s <= now]:
            self._forget(one.id)
        mine = [one.id for one in self._known.values() if one.owner == owner]
        for old in mine[: max(0, len(mine) + 1 - self._most_of_one)]:
            self._forget(old)
        while len(self._known) >= _MAX_VISITORS:
            ((most, _),) = Counter(one.owner for one in self._known.values()).most_common(1)
            self._forget(next(one.id for one in self._known.values() if one.owner == most))

    def _forget(self, visitor_id: str) -> None:
        visitor = self._known.pop(visitor_id, None)
        if visitor is not None:
            for event in (visitor.gone, *visitor.stops):
                event.set()


def _id_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Authenticator(Protocol):
    """Checks keys, and the tokens that browsers get for them."""

    async def admit(self, key: str) -> str:
        """Returns a new visitor's token; raises EndpointError if the key is not valid.

        Args:
            key: The key.
        """

    def visitor(self, token: str | None) -> Visitor[Any] | None:
        """Returns the visitor of a token; None if it is not valid.

        Args:
            token: The token; None without a cookie.
        """

    async def confirm(self, visitor: Visitor[Any]) -> bool:
        """Tells whether a visitor may stay; looks at their key again when it is time.

        Args:
            visitor: The visitor.
        """

    def revoke(self, token: str | None) -> None:
        """Ends a login.

        Args:
            token: The token; None without a cookie.
        """

    def about(self, code: str) -> str:
        """Returns the purpose of the page, in a language.

        Args:
            code: ISO code of the language.
        """


class KeyLogins(Tokens[str]):
    """The logins of this process with keys of a server.

    Args:
        endpoint: The server that issued the keys.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(_MAX_LOGINS_OF_KEY)
        self._endpoint = endpoint

    async def admit(self, key: str) -> str:
        """Returns a new visitor's token.

        Args:
            key: The key.

        Raises:
            EndpointError: If the server doesn't take the key, or can't be asked.
        """
        await self._check(key)
        return self.issue(key, f"sha256:{hashlib.sha256(key.encode()).hexdigest()[:12]}")

    async def is_still_good(self, value: str) -> bool:
        """Tells whether the server still accepts a key; a server that doesn't answer revokes none.

        Args:
            value: The key.
        """
        try:
            async with asyncio.timeout(_CONFIRM_S):
                await self._check(value)
        except EndpointError as error:
            return error.code is not APIErrorCode.INVALID_API_KEY
        except TimeoutError:
            return True
        return True

    def endpoint(self, visitor: Visitor[str] | None) -> Endpoint:
        """Returns the server with a visitor's key; without a key for an unknown visitor.

        Args:
            visitor: The visitor; None if unknown.
        """
        return dataclasses.replace(self._endpoint, api_key=visitor.value if visitor else None)

    def about(self, code: str) -> str:
        """Returns the purpose of the page, in a language.

        Args:
            code: ISO code of the language.
        """
        return page_texts(code)["about"]

    async def _check(self, key: str) -> None:
        endpoint = dataclasses.replace(self._endpoint, api_key=key)
        async with AsyncChatClient(endpoint) as client:
            await client.models()


def can_be_key(text: str) -> bool:
    """Tells whether a text has the form of a key, before the server is asked.

    Args:
        text: The text.
    """
    return _KEY.fullmatch(text) is not None


def visitor_of(scope: MutableMapping[str, Any]) -> Visitor[Any]:
    """Returns the visitor of a request that has passed authentication.

    Args:
        scope: The request.
    """
    visitor = scope["state"]["visitor"]
    assert isinstance(visitor, Visitor)
    return visitor


class VisitorNames:
    """Names the visitor of a request: by the owner of the login, or by the address.

    All logins with one key are one visitor. Cookies that everybody gets name no visitor: with a new
    one each time, one visitor would be many.

    Args:
        by_login: Whether visitors log in.
    """

    def __init__(self, *, by_login: bool) -> None:
        self._by_login = by_login

    def __call__(self, scope: Scope) -> str:
        """Returns the name for a request that has passed authentication."""
        if self._by_login:
            return visitor_of(scope).owner
        return address_of(scope)
