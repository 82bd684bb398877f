"""Retries: the waits between the attempts of a request, and the header Retry-After.

The one back-off of this package: each caller decides itself which errors may pass.
"""

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
# No date is longer; Python's parser of dates accepts a text of any length.
_LONGEST_DATE = 64
_LONGEST_RETRY_AFTER_S = 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Exponential back-off, bounded in the number of attempts and in each wait.

    Attributes:
        attempts: Most attempts, the first included.
        first_wait_s: Wait before the second attempt, in seconds; it doubles each time.
        longest_wait_s: Longest wait before jitter, in seconds.
        jitter: Lowest and highest factor of each wait. Requests that failed together must not come
            back together.
    """

    attempts: int
    first_wait_s: float
    longest_wait_s: float = 60.0
    jitter: tuple[float, float] = (1.0, 1.0)

    def waits(self) -> Iterator[float]:
        """Yields the wait before each attempt in seconds, 0.0 before the first.

        For blocking and asynchronous code alike::

            for wait_s in backoff.waits():
                time.sleep(wait_s)
                try:
                    return send()
                except OSError as error:
                    last = error
            raise Unreachable from last
        """
        wait_s = self.first_wait_s
        for attempt in range(self.attempts):
            if attempt == 0:
                yield 0.0
                continue
            yield min(wait_s, self.longest_wait_s) * random.uniform(*self.jitter)  # noqa: S311
            wait_s *= 2


def retry_after_s(header: str, now_s: float | None = None) -> float | None:
    """Returns the wait that a Retry-After header asks for, a day at most.

    Args:
        header: Its value: seconds, or a date.
        now_s: The time in seconds since 1970; now by default.

    Returns:
        Seconds; None if the header holds neither.
    """
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return _bounded(float(text))
    if len(text) > _LONGEST_DATE:
        return None
    try:
        then_s = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):  # a year or a zone that no clock has
        return None
    return _bounded(then_s - (time.time() if now_s is None else now_s))


def _bounded(wait_s: float) -> float:
    return min(max(0.0, wait_s), _LONGEST_RETRY_AFTER_S)
