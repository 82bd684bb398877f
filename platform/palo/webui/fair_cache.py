"""What visitors keep on the server, bounded for each of them and for all together."""

from collections import Counter, OrderedDict


class FairCache:
    """Names of things with their sizes, by who keeps them.

    When a visitor has too much, their own oldest goes. When all together have too much, the oldest
    of whoever has most goes: a stranger can't push out what others keep by keeping more.

    Args:
        max_entries: Most things of one visitor.
        max_size: Largest sum of one visitor's sizes.
        max_total_size: Largest sum of all sizes.
    """

    def __init__(self, *, max_entries: int, max_size: int, max_total_size: int) -> None:
        self._max_entries = max_entries
        self._max_size = max_size
        self._max_total_size = max_total_size
        self._entries: dict[str, OrderedDict[str, int]] = {}
        self._sizes: Counter[str] = Counter()
        self._num_keepers: Counter[str] = Counter()

    @property
    def total_size(self) -> int:
        """Sum of all sizes."""
        return self._sizes.total()

    def keep(self, visitor: str, name: str, size: int) -> list[str]:
        """Keeps a thing as a visitor's latest; returns the names that nobody keeps any more.

        Args:
            visitor: Whose it is.
            name: The thing. Several visitors may keep the same.
            size: Its size.
        """
        self._drop(visitor, name)
        self._entries.setdefault(visitor, OrderedDict())[name] = size
        self._sizes[visitor] += size
        self._num_keepers[name] += 1
        gone = []
        while self._has_too_much(visitor):
            gone += self._drop_oldest(visitor)
        while self.total_size > self._max_total_size:
            ((heaviest, _),) = self._sizes.most_common(1)
            gone += self._drop_oldest(heaviest)
        return gone

    def _has_too_much(self, visitor: str) -> bool:
        num_entries = len(self._entries.get(visitor, ()))
        return num_entries > self._max_entries or self._sizes[visitor] > self._max_size

    def _drop_oldest(self, visitor: str) -> list[str]:
        name = next(iter(self._entries[visitor]))
        self._drop(visitor, name)
        return [] if name in self._num_keepers else [name]

    def _drop(self, visitor: str, name: str) -> None:
        entries = self._entries.get(visitor)
        if entries is None or name not in entries:
            return
        self._sizes[visitor] -= entries.pop(name)
        self._num_keepers[name] -= 1
        if not self._num_keepers[name]:
            del self._num_keepers[name]
        if not entries:
            del self._entries[visitor], self._sizes[visitor]
