"""CPU time of a process with all that it started, by the moment."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import psutil

# Each look walks all processes of the machine, some milliseconds.
_POLL_S = 0.5


@dataclass(slots=True)
class CpuMeter:
    """Looks at the CPU time of a process and its descendants while the block runs.

    Attributes:
        process: The process; this one by default.
    """

    process: psutil.Process = field(default_factory=psutil.Process)
    _spent: dict[tuple[int, float], float] = field(default_factory=dict, init=False)
    _times: list[float] = field(default_factory=list, init=False)
    _cpu_s: list[float] = field(default_factory=list, init=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def __enter__(self) -> "CpuMeter":
        self._look()
        self._thread = threading.Thread(target=self._watch, name="cpu-meter", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def between(self, begin: float, end: float) -> float:
        """Returns the CPU time that was spent in between, in seconds.

        Args:
            begin: Unix time.
            end: Unix time.
        """
        before, after = np.interp([begin, end], self._times, self._cpu_s)
        return float(after - before)

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_S):
            self._look()

    def _look(self) -> None:
        now = time.time()
        for one in [self.process, *self.process.children(recursive=True)]:
            try:
                spent = one.cpu_times()
                self._spent[one.pid, one.create_time()] = spent.user + spent.system
            except psutil.NoSuchProcess:
                continue
        self._times.append(now)
        self._cpu_s.append(sum(self._spent.values()))  # with those that have ended
