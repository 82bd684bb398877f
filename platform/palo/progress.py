"""The progress of a step: units done, speed and remaining time, as lines for people."""

import time
from collections.abc import Callable

from palo.job_metrics import WORK_UNITS

_LINE_EVERY_S = 5.0


def duration(seconds: float) -> str:
    """Returns a duration as people write it: 45 s, 3 min 20 s, 2 h 5 min.

    Args:
        seconds: The duration.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Meter:
    """Reports every few seconds the progress, speed and remaining time of a step.

    Prometheus gets the counts, too, where Ray runs.

    Args:
        step: Name of the step.
        unit: Plural noun of the counted units.
        say: Receives the lines.
        total: Amount of work: units, or whatever `effort` counts in.
        by_effort: Whether units are unknown beforehand and `total` is an effort, such as bytes.
    """

    def __init__(
        self,
        step: str,
        unit: str,
        say: Callable[[str], None],
        total: int,
        *,
        by_effort: bool = False,
    ) -> None:
        self._step = step
        self._unit = unit
        self._say = say
        self._left = total
        self._by_effort = by_effort
        self._reported_skipped = False
        self._done = self._said = self._skipped = self._effort = self._exported = 0
        self._start = self._last = time.monotonic()

    def skip(self, count: int, effort: int | None = None) -> None:
        """Counts units of an earlier run, which cost no time.

        Args:
            count: Number of units.
            effort: Their share of `total`; `count` by default.
        """
        self._skipped += count
        self._left -= count if effort is None else effort

    def add(self, count: int, effort: int | None = None) -> None:
        """Counts finished units, and reports now and then.

        Args:
            count: Number of units.
            effort: Their share of `total`; `count` by default.
        """
        self._report_skipped()
        self._done += count
        self._effort += count if effort is None else effort
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            self._export()
            self._line(now)

    def finish(self) -> None:
        """Reports what hasn't been reported yet."""
        self._report_skipped()
        self._export()
        if self._done > self._said:
            self._line(time.monotonic())

    def _export(self) -> None:
        if self._done > self._exported:
            WORK_UNITS.add(self._done - self._exported, step=self._step, unit=self._unit)
            self._exported = self._done

    def _report_skipped(self) -> None:
        if self._skipped and not self._reported_skipped:
            self._say(f"{self._step}: {self._skipped:,} {self._unit} were done before")
        self._reported_skipped = True

    def _line(self, now: float) -> None:
        self._said = self._done
        elapsed = max(now - self._start, 1e-9)
        rate = self._done / elapsed
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        count = f"{self._done:,}" + ("" if self._by_effort else f"/{self._left:,}")
        line = f"{self._step}: {count} {self._unit}, {speed} {self._unit}/s"
        if 0 < self._effort < self._left:
            share = self._effort / self._left
            line += f", {share:.0%}, {duration(elapsed * (1 - share) / share)} left"
        self._say(line)


def byte_meter(step: str, say: Callable[[str], None], total_bytes: int) -> Callable[[int], None]:
    """Returns what counts bytes as they come, and reports megabytes now and then.

    Args:
        step: What is done with them, in a word.
        say: Gets the lines.
        total_bytes: How many will come.
    """
    meter = Meter(step, "MB", say, total_bytes, by_effort=True)
    left = 0

    def count(num_bytes: int) -> None:
        nonlocal left
        whole, left = divmod(left + num_bytes, 10**6)
        meter.add(whole, whole * 10**6)

    return count
