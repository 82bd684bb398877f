"""How fast requests go out: limits a minute, and the time that a server asks everybody to wait."""

import asyncio
import time
from collections.abc import Callable

from palo.endpoint.settings import EndpointSettings

_MINUTE_S = 60.0
_LONGEST_HOLD_S = 600.0


class Pace:
    """Spaces requests so that no limit a minute is passed.

    Args:
        endpoint: The limits.
        clock: Tells seconds.
    """

    def __init__(
        self, endpoint: EndpointSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._next_request = self._next_token = self._held_until = 0.0

    async def wait(self, tokens: int) -> None:
        """Waits until a request may go out.

        Args:
            tokens: The most that it may use.
        """
        while (wait_s := self._start(tokens)) > 0:
            await asyncio.sleep(wait_s)

    def _start(self, tokens: int) -> float:
        """Takes the place of a request that may go now; else returns how long it must wait."""
        now = self._clock()
        wait_s = max(self._held_until, self._next_request, self._next_token) - now
        if wait_s > 0:
            return wait_s
        if self._endpoint.requests_per_minute is not None:
            self._next_request = now + _MINUTE_S / self._endpoint.requests_per_minute
        if self._endpoint.tokens_per_minute is not None:
            self._next_token = now + _MINUTE_S * tokens / self._endpoint.tokens_per_minute
        return 0.0

    def hold(self, wait_s: float) -> None:
        """Holds all requests back, as a server has asked."""
        until = self._clock() + min(wait_s, _LONGEST_HOLD_S)
        self._held_until = max(self._held_until, until)
