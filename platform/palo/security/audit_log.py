"""The audit log: who was let in, refused or stopped, one line for each event, never a secret.

Lines belong to the logger `palo.audit`. Where `palo.observability.logs` has set up logging they
are JSON on standard error like all others; a program that wants them elsewhere adds a handler.
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
        event: What happened, in words joined by underscores, as `key_revoked`.
        **fields: What is known of it; texts are cut to 200 characters. Secrets have no place here,
            whole or in part: name a key by its id.
    """
    told = {name: _short(value) for name, value in fields.items() if value is not None}
    # In a field of their own, as names like `name` and `module` are those of the logging module.
    _LOG.info(event, extra={"audit": told})


def _short(value: object) -> object:
    return value if isinstance(value, bool | int | float) else str(value)[:_MAX_TEXT]


class AuditThrottle:
    """Writes lines about what strangers can repeat at will: only so many a minute of each event.

    The first line after a pause tells how many are missing. Safe for threads.

    Args:
        most: Lines of one event within a minute.
        clock: Seconds that only go forward.
    """

    def __init__(self, most: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def record(self, event: str, **fields: object) -> None:
        """Writes one line unless there were too many of this event; see `record`.

        Args:
            event: One of a few: each is counted for itself.
            **fields: What is known of it.
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
