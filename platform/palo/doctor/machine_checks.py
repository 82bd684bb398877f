"""Checks of this machine: Python, packages, compiler, memory, disks, ports."""

import os
import re
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from palo import storage
from palo.account import cache_folder
from palo.doctor.finding import Finding, fault, good, warning
from palo.machine import GIB

_OLDEST, _TOO_NEW = (3, 11), (3, 14)
_PIN = re.compile(r"([a-z0-9-]+)==([\w.+]+)")
# Labels of what is pinned for environments of their own.
_ELSEWHERE = {"build", "mini-weights", "tools", "uv"}
_SHOWN = 3
_COMPILERS = ("c++", "g++", "clang++")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Ray keeps its objects
_LEAST_MEMORY_GIB = 7.5
_LEAST_FREE_GIB = 2.0
_LEAST_SHARED_GIB = 1.0
_LEAST_DISK_GIB, _GOOD_DISK_GIB = 2.0, 20.0
_LEAST_OPEN_FILES = 4096
PORTS = {
    8000: "the endpoint",
    7860: "a page",
    6379: "the head of a cluster",
    8265: "its dashboard",
}
"""The ports that are taken if nothing else is said, and what for."""


def check_python() -> Iterator[Finding]:
    """Yields whether palo runs with this Python."""
    text = sys.version.split()[0]
    if _OLDEST <= sys.version_info < _TOO_NEW:
        yield good("Python", text)
    else:
        yield fault("Python", f"{text} isn't supported", "Install Python 3.11, 3.12 or 3.13.")


def check_packages(lock: Path | None) -> Iterator[Finding]:
    """Yields whether the installed packages are the locked ones; others are left alone.

    Args:
        lock: The lock file; None looks for it.

    Raises:
        StorageError: If it can't be read.
    """
    lock = lock or _find_lock()
    if lock is None:
        yield warning(
            "packages",
            "there is no requirements.lock to compare with",
            "Run this in the checkout.",
        )
        return
    wrong, found = [], 0
    for name, wanted in _pins(lock):
        try:
            installed = version(name)
        except PackageNotFoundError:  # of an extra that isn't wanted here
            continue
        found += 1
        if installed.partition("+")[0] != wanted.partition("+")[0]:  # +cpu is a build
            wrong.append(f"{name} {installed} for {wanted}")
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        yield fault(
            "packages",
            f"not those of the lock: {', '.join(wrong[:_SHOWN])}{more}",
            "Run make setup.",
        )
    elif not found:
        yield fault(
            "packages",
            f"{lock} pins none of the packages that are installed",
            "Name a lock file of this project: requirements.lock.",
        )
    else:
        yield good("packages", f"{found} as locked")


def _pins(lock: Path) -> Iterator[tuple[str, str]]:
    """Yields name and version of what is pinned for palo's own environment."""
    pin: tuple[str, str] | None = None
    for line in storage.read_text(lock).splitlines():
        if found := _PIN.match(line):
            pin = (found[1], found[2])
        elif pin and line.startswith("    # "):
            if not set(line.removeprefix("    # ").split(", ")) <= _ELSEWHERE:
                yield pin
            pin = None


def _find_lock() -> Path | None:
    """Returns the lock of the checkout, or of what a node or an image was set up from."""
    home = os.environ.get("PALO_HOME")
    folders = (Path.cwd(), *([Path(home)] if home else []), Path(sys.prefix).parent)
    image = Path(sys.prefix).parent / "sources"
    places = (folder / "requirements.lock" for folder in (*folders, image))
    return next((path for path in places if path.is_file()), None)


def check_compiler() -> Iterator[Finding]:
    """Yields whether there is a C++ compiler."""
    found = os.environ.get("CXX") or next(filter(None, map(shutil.which, _COMPILERS)), None)
    if found:
        yield good("compiler", found)
    else:
        yield warning(
            "compiler",
            "there is none: the engine runs without its CPU kernels, DeepSpeed without offloading",
            "Install g++, or set CXX.",
        )


def check_memory() -> Iterator[Finding]:
    """Yields whether there is memory for the nano recipe, and for Ray's objects."""
    memory = psutil.virtual_memory()
    total, free = memory.total / GIB, memory.available / GIB
    text = f"{free:.1f} of {total:.1f} GiB free"
    if total < _LEAST_MEMORY_GIB:
        yield warning("memory", text, "The smallest recipe needs a machine with 8 GiB.")
    elif free < _LEAST_FREE_GIB:
        yield warning("memory", text, "End what takes it, or jobs may be killed.")
    else:
        yield good("memory", text)
    if not _SHARED_MEMORY.is_dir():
        return
    shared = shutil.disk_usage(_SHARED_MEMORY).total / GIB
    text = f"{shared:.1f} GiB at {_SHARED_MEMORY}"
    if shared < _LEAST_SHARED_GIB:
        yield warning(
            "shared memory",
            text,
            "Ray would keep objects on the disk: docker run --shm-size 8g, or a memory volume.",
        )
    else:
        yield good("shared memory", text)


def check_disk() -> Iterator[Finding]:
    """Yields whether the disks of the working folder, the cache and temporary files have room."""
    places = {Path.cwd(): "here", cache_folder(): "the cache", Path(tempfile.gettempdir()): "Ray"}
    seen: set[int] = set()
    for place, purpose in places.items():
        there = next(path for path in (place, *place.parents) if path.exists())
        if (device := there.stat().st_dev) in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(there).free / GIB
        text = f"{free:.1f} GiB free at {there}, for {purpose}"
        if free < _LEAST_DISK_GIB:
            yield fault("disk", text, "Make room there: jobs would fail in mid-run.")
        elif free < _GOOD_DISK_GIB:
            yield warning("disk", text, "Enough for the nano recipe alone.")
        else:
            yield good("disk", text)


def check_limits() -> Iterator[Finding]:
    """Yields whether a process may open as many files as Ray does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft:,} open files"
    if soft != resource.RLIM_INFINITY and soft < _LEAST_OPEN_FILES:
        yield warning("limits", text, f"Run ulimit -n {hard} before Ray starts.")
    else:
        yield good("limits", text)


def check_ports() -> Iterator[Finding]:
    """Yields which of the usual ports are taken, and by which program where that may be known."""
    taken = [port for port in PORTS if _answers(port)]
    for port in taken:
        yield warning(
            "ports",
            f"{port}, for {PORTS[port]}, is taken{_holder(port)}",
            "End that, or give another port.",
        )
    if not taken:
        yield good("ports", f"{', '.join(map(str, PORTS))} are free")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
        pid = next(
            one.pid
            for one in connections
            if one.pid and one.status == psutil.CONN_LISTEN and one.laddr[1:] == (port,)
        )
        return f" by {psutil.Process(pid).name()} (process {pid})"
    except (StopIteration, psutil.Error):  # of another user, or gone meanwhile
        return ""
