"""Says when a stage that was doing steps does none for long."""

import time
from collections.abc import Callable
from pathlib import Path

from palo.progress import duration
from palo.train.metrics import read_metrics

_LEAST_S = 120.0
_STEPS = 20


class StallWatch:
    """Looks at a stage's metrics, which grow with each step.

    Args:
        metrics: File of the metrics, which may not exist yet.
        stall_s: How long a worker waits for the others, in seconds.
        say: Gets a line.
        clock: Tells seconds.
    """

    def __init__(
        self,
        metrics: Path,
        stall_s: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._stall_s = stall_s
        self._say = say
        self._clock = clock
        self._size = self._size_now()
        self._grew_at: float | None = None  # nothing is missed before the first step
        self._say_after_s = 0.0

    def look(self) -> None:
        """Says once for how long no step was done, and again each time that has doubled."""
        now, size = self._clock(), self._size_now()
        if size != self._size:
            self._size, self._grew_at, self._say_after_s = size, now, 0.0
        if self._grew_at is None or now - self._grew_at < max(_LEAST_S, self._say_after_s):
            return
        waited_s = now - self._grew_at
        usual = sorted(one.step_s for one in read_metrics(self._metrics)[-_STEPS:])
        if usual and waited_s < _STEPS * usual[len(usual) // 2]:
            return
        self._say_after_s = 2 * waited_s
        self._say(
            f"no step for {duration(waited_s)}: workers start, save or evaluate, or one of them "
            f"hangs, for which the others wait up to {duration(self._stall_s)}"
        )

    def _size_now(self) -> int:
        try:
            return self._metrics.stat().st_size
        except FileNotFoundError:
            return 0
