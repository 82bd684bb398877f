"""The most memory that a job ever held: this process and all that it started, Ray's included."""

import threading
from pathlib import Path
from types import TracebackType

import psutil

_EVERY_S = 1.0
_HIGHER = 1.005
_GIB = 1 << 30


class PeakMemory:
    """Samples the memory of this process and all its descendants while the block runs.

    Memory that processes share, as Ray's object store is, counts once where the kernel tells each
    one's share (Linux); elsewhere each process's resident memory is added up. The kernel walks
    through all pages for that, which would cost training several percent if it were asked each
    time: it is asked when the memory that nobody shares has reached a new height.

    Args:
        every_s: Seconds between samples.
    """

    def __init__(self, every_s: float = _EVERY_S) -> None:
        self._every_s = every_s
        self._peak_bytes = 0
        self._private_bytes = 0
        self._sampling = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="palo-peak-memory", daemon=True)

    @property
    def peak_gib(self) -> float:
        """The peak so far, in GiB."""
        return self._peak_bytes / _GIB

    def __enter__(self) -> "PeakMemory":
        """Takes the first sample and goes on in a thread."""
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the last sample and ends the thread."""
        self._ended.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._sample()

    def _sample(self) -> None:
        process = psutil.Process()
        with self._sampling:
            family = [process, *process.children(recursive=True)]
            private_bytes = sum(map(_private_bytes, family))
            if private_bytes >= self._private_bytes * _HIGHER:
                self._private_bytes = private_bytes
                self._peak_bytes = max(self._peak_bytes, sum(map(_memory_bytes, family)))


def _private_bytes(process: psutil.Process) -> int:
    """Returns what a process holds alone, as far as that is known at no cost."""
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))


def _memory_bytes(process: psutil.Process) -> int:
    """Returns a process's proportional share of memory; 0 once it has ended."""
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        for line in rollup.splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    except OSError:  # it has ended, belongs to somebody else, or this isn't Linux
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
