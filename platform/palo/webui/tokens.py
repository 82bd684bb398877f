"""What a browser shows to prove that it has logged in, and what this process knows about it."""

import asyncio
import hashlib
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from palo.security.audit_log import record

T = TypeVar("T")
STAY_S = 12 * 3600
"""How long a token is good."""
CONFIRM_EVERY_S = 5.0
"""How long a login is believed before its key is looked at again."""
_MAX_VISITORS = 10_000
_MAX_FILES = 1_000


@dataclass(kw_only=True, eq=False, slots=True)
class Visitor(Generic[T]):
    """Somebody whose browser has a token.

    Attributes:
        id: Names them within this process; it can't be turned back into the token.
        value: What is remembered of them.
        owner: Whose login it is; one owner's logins push out no others.
        ends_s: When the token ends, on the clock that only goes forward.
        confirmed_s: When their key was last looked at.
        files: What they have uploaded, the latest last.
        gone: Is set when they have left, were pushed out or lost their key.
        stops: What is set then too: each ends one of their answers.
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
        """Returns what the page calls a session, which a browser only numbers."""
        return f"{self.id}-{number}"

    @contextmanager
    def stopping(self, stop: asyncio.Event) -> Iterator[None]:
        """Sets an event when they are gone, for the length of the block."""
        self.stops.add(stop)
        try:
            yield
        finally:
            self.stops.discard(stop)

    def add_file(self, path: str) -> None:
        """Remembers an upload; of very many, the oldest are forgotten."""
        self.files[path] = None
        self.files.move_to_end(path)
        while len(self.files) > _MAX_FILES:
            self.files.popitem(last=False)


class Tokens(Generic[T]):
    """Who has logged in, in this process, each with something to remember.

    Args:
        most_of_one: Most logins of one owner at a time; the oldest make room.
    """

    def __init__(self, most_of_one: int = _MAX_VISITORS) -> None:
        self._most_of_one = most_of_one
        self._known: OrderedDict[str, Visitor[T]] = OrderedDict()

    def give(self, value: T, owner: str = "") -> str:
        """Returns a new visitor's token.

        Args:
            value: What to remember of them.
            owner: Whose login it is.
        """
        token = secrets.token_urlsafe(32)
        now = time.monotonic()
        self._make_room(owner, now)
        self._known[_id_of(token)] = Visitor(
            id=_id_of(token), value=value, owner=owner, ends_s=now + STAY_S, confirmed_s=now
        )
        return token

    def visitor(self, token: str | None) -> Visitor[T] | None:
        """Returns whose token it is; None if it is no good, or not any more."""
        found = self._known.get(_id_of(token)) if token is not None else None
        if found is None or found.ends_s <= time.monotonic():
            return None
        self._known.move_to_end(found.id)  # who is active is the last to be pushed out
        return found

    def value(self, token: str | None) -> T | None:
        """Returns what is remembered of a visitor; None if a token is no good, or not any more."""
        found = self.visitor(token)
        return found.value if found is not None else None

    def knows(self, token: str | None) -> bool:
        """Tells whether a token is one of theirs and still good."""
        return self.visitor(token) is not None

    def dismiss(self, token: str | None) -> None:
        """Forgets a visitor, and ends what they have open."""
        if token is not None:
            self._forget(_id_of(token))

    async def confirm(self, visitor: Visitor[T]) -> bool:
        """Tells whether a visitor may stay; looks at their key again when it is time.

        One request asks; those that come meanwhile don't wait for it.
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
        """Tells whether what somebody logged in with is still good."""
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
