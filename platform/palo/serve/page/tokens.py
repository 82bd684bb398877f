"""What a browser shows to prove that it has logged in, and what this process knows about it."""

import secrets
import time
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")
STAY_S = 12 * 3600
"""How long a token is good."""
_MAX_VISITORS = 10_000


class Tokens(Generic[T]):
    """Who has logged in, in this process, each with something to remember."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def give(self, value: T) -> str:
        """Returns a new visitor's token.

        Args:
            value: What to remember of them.
        """
        token = secrets.token_urlsafe(32)
        self._known[token] = (value, time.monotonic() + STAY_S)
        while len(self._known) > _MAX_VISITORS:
            self._known.popitem(last=False)
        return token

    def value(self, token: str | None) -> T | None:
        """Returns what is remembered of a visitor; None if a token is no good, or not any more."""
        found = self._known.get(token) if token is not None else None
        return found[0] if found is not None and found[1] > time.monotonic() else None

    def knows(self, token: str | None) -> bool:
        """Tells whether a token is one of theirs and still good."""
        return self.value(token) is not None

    def dismiss(self, token: str | None) -> None:
        """Forgets a visitor."""
        if token is not None:
            self._known.pop(token, None)
