"""Sends values to a service in a thread, so that training never waits for a network."""

import queue
import textwrap
import threading
from collections.abc import Callable, Mapping

from palo.train.tracking.tracker_run import TrackerRun

_MOST_WAITING = 10_000
_CLOSE_S = 30.0
_MOST_SHOWN = 300


class ServiceThread:
    """A TrackerRun whose service is called in a thread.

    A service that fails costs its own metrics only: it is told once, and gets nothing more.

    Args:
        name: The service's name, for people.
        connect: Opens the run there.
        say: Takes a line that tells of a failure.
    """

    def __init__(
        self, name: str, connect: Callable[[], TrackerRun], say: Callable[[str], None]
    ) -> None:
        self._name = name
        self._connect = connect
        self._say = say
        self._queue: queue.Queue[tuple[Mapping[str, float], int] | None] = queue.Queue(
            _MOST_WAITING
        )
        self._failed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"palo-{name}", daemon=True)
        self._thread.start()

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See TrackerRun.log; returns at once.

        Args:
            values: By name.
            step: Steps that are done.
        """
        if self._failed.is_set():
            return
        try:
            self._queue.put_nowait((values, step))
        except queue.Full:
            self._fail(f"it is {_MOST_WAITING:,} steps behind")

    def close(self) -> None:
        """See TrackerRun.close; a service that hangs is waited for half a minute."""
        if not self._failed.is_set():
            self._queue.put(None)
            self._thread.join(_CLOSE_S)
            if self._thread.is_alive():
                self._fail(f"it didn't take the last metrics within {_CLOSE_S:g} s")

    def _run(self) -> None:
        try:
            service = self._connect()
            while (item := self._queue.get()) is not None:
                service.log(*item)
            service.close()
        except Exception as error:  # whatever a service's library raises; training goes on
            lines = str(error).strip().splitlines() or [repr(error)]
            self._fail(textwrap.shorten(lines[0], _MOST_SHOWN, placeholder=" ..."))

    def _fail(self, why: str) -> None:
        if not self._failed.is_set():
            self._failed.set()
            self._say(f"{self._name} gets no more metrics: {why}")
