"""The machine: its hardware, software versions, a job's memory, and the process's priority."""

import contextlib
import os
import platform
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

GIB = 2**30
"""Bytes of a GiB."""
_LEAST_PRIORITY = 19
_EVERY_S = 1.0
_HIGHER = 1.005


def hardware() -> dict[str, Any]:
    """Describes this machine and its load; call it before a measurement, which adds load itself."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": models[0] if models else platform.machine(),
        "num_cpus": os.cpu_count(),
        "memory_gib": round(pages / GIB, 1),
        "gpus": command_lines("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of Python and of these distributions.

    Args:
        packages: Names of distributions.
    """
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def checkout_state(root: Path) -> dict[str, Any]:
    """Returns the state of a git checkout.

    Args:
        root: Its folder.

    Returns:
        `commit`, empty outside a checkout, and `dirty`: whether files differ from it.
    """
    # A folder without it may lie below somebody else's checkout.
    if not (root / ".git").exists():
        return {"commit": "", "dirty": False}
    return {
        "commit": "".join(command_lines("git", "-C", str(root), "rev-parse", "HEAD")),
        "dirty": bool(command_lines("git", "-C", str(root), "status", "--porcelain")),
    }


def command_lines(program: str, *arguments: str) -> list[str]:
    """Returns the lines that a program prints, none where it is missing or fails.

    Args:
        program: Name of the program.
        *arguments: Its arguments.
    """
    command = shutil.which(program)
    if command is None:
        return []
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed programs
    return done.stdout.splitlines() if done.returncode == 0 else []


class PeakMemory:
    """Samples the memory of this process and all its descendants while the block runs.

    Memory that processes share, as Ray's object store is, counts once where the kernel reports each
    one's share (Linux); elsewhere each process's resident memory is added up. The kernel walks
    through all pages for that, which would cost training several percent if it were done each
    time: it is done when unshared memory has reached a new maximum.

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
        return self._peak_bytes / GIB

    def __enter__(self) -> "PeakMemory":
        """Takes the first sample and starts the thread that takes the others."""
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
    """Returns the unshared memory of a process, as far as that is known at no cost."""
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


def lower_priority(by: int) -> None:
    """Lowers the priority of all threads of this process; on Linux it is a thread's own.

    Args:
        by: Added to their niceness, up to 19.
    """
    for thread in psutil.Process().threads():
        with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
            nice = os.getpriority(os.PRIO_PROCESS, thread.id)
            os.setpriority(os.PRIO_PROCESS, thread.id, min(_LEAST_PRIORITY, nice + by))
