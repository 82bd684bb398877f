"""How often somebody may try to log in: few wrong keys a minute, from one address and from all."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_MINUTE_S = 60.0
_OF_ONE = 10
_OF_ALL = 1200  # each costs a few milliseconds, a few at once
_MAX_ADDRESSES = 10_000
_IPV6_PREFIX = 64


class LoginLimit:
    """Counts the tries of the last minute; those that succeed are taken out again.

    Many who share an address, as behind a proxy, are held up by wrong keys alone.

    Args:
        of_one: Most tries from one address.
        of_all: Most tries altogether.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        of_one: int = _OF_ONE,
        of_all: int = _OF_ALL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._of_one = of_one
        self._clock = clock
        self._all: deque[float] = deque(maxlen=of_all)
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, address: str) -> float:
        """Counts a try; returns 0, or the seconds to wait if there were too many: it counts not.

        Args:
            address: Where it comes from.
        """
        tries = self._tries(address)
        if wait_s := max(self._wait_s(tries), self._wait_s(self._all)):
            return wait_s
        now = self._clock()
        tries.append(now)
        self._all.append(now)
        return 0.0

    def succeeded(self, address: str) -> None:
        """Takes out a try that has begun."""
        for tries in (self._tries(address), self._all):
            if tries:
                tries.pop()

    def _tries(self, address: str) -> deque[float]:
        name = _network_of(address)
        tries = self._by_address.setdefault(name, deque(maxlen=self._of_one))
        self._by_address.move_to_end(name)
        if len(self._by_address) > _MAX_ADDRESSES:
            self._by_address.popitem(last=False)
        return tries

    def _wait_s(self, tries: deque[float]) -> float:
        if len(tries) < (tries.maxlen or 0):
            return 0.0
        return max(0.0, tries[0] + _MINUTE_S - self._clock())


def _network_of(address: str) -> str:
    """Returns what one customer of a provider has: an IPv4 address, or a network of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
