"""The header Retry-After: how long a server asks its clients to stay away."""

import re
import time
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
# No date is longer; Python's reader of dates takes whatever it is given.
_LONGEST_DATE = 64
_LONGEST_WAIT_S = 86_400.0


def seconds_of(retry_after: str, now_s: float | None = None) -> float | None:
    """Returns the seconds that a Retry-After header asks for, a day at most.

    Args:
        retry_after: Its value: seconds, or a date.
        now_s: The time in seconds since 1970.

    Returns:
        The seconds; None if the header says nothing.
    """
    text = retry_after.strip()
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
    return min(max(0.0, wait_s), _LONGEST_WAIT_S)
