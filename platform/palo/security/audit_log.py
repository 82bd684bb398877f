"""The audit log of access decisions: one line for each event, without secrets.

Lines go to the logger `palo.audit`. Where `palo.observability.logs` has set up logging they are
JSON on standard error like all others; a program that wants them elsewhere adds a handler.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_LOG = logging.getLogger("palo.audit")
_MAX_TEXT = 200
_MINUTE_S = 60.0


def record(event: str, **fields: object) -> None:
    """Writes one line.

    Args:
        event: Name of the event in snake case, as `key_revoked`.
        **fields: Its details; texts are cut to 200 characters. They must hold no secret, not even
            a part of one: a key is named by its id.
    """
    details = {name: _short(value) for name, value in fields.items() if value is not None}
    # Nested, since names like `name` and `module` are reserved by the logging module.
    _LOG.info(event, extra={"audit": details})


def _short(value: object) -> object:
    return value if isinstance(value, bool | int | float) else str(value)[:_MAX_TEXT]


class AuditThrottle:
    """Limits the lines a minute of each event that strangers can cause at will.

    The first line of the next minute has the number of omitted ones. Safe for threads.

    Args:
        most: Most lines of one event within a minute.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, most: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def record(self, event: str, **fields: object) -> None:
        """Writes one line unless there were too many of this event; see `record`.

        Args:
            event: Name of the event, one of a few; each is counted apart.
            **fields: Its details.
        """
        with self._lock:
            now = self._clock()
            window = self._windows.get(event)
            if window is None or now - window.began_s >= _MINUTE_S:
                missing = window.num_missing if window else 0
                window = self._windows[event] = _Window(began_s=now)
            else:
                missing = 0
            if window.num_written >= self._most:
                window.num_missing += 1
                return
            window.num_written += 1
        record(event, **fields, lines_left_out=missing or None)


@dataclass(kw_only=True, slots=True)
class _Window:
    began_s: float
    num_written: int = 0
    num_missing: int = 0
