"""Copies of a folder's files on a machine's own disk, made once for all of its processes.

    SCRATCH/NAME-STAMP/...           the files, under their own names
    SCRATCH/NAME-STAMP/staged.json   where they are from, and the SHA-256 of each; written last

STAMP names the folder, and its files' sizes and times of change: what changes is copied anew. Who
reads a copy needn't hash its gigabytes. SCRATCH is what the environment variable PALO_SCRATCH of a
machine names, its fastest disk, else a folder of the user's cache.
"""

import hashlib
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from palo.account import cache_folder
from palo.errors import ResourceError
from palo.storage.paths import wrap_os_errors
from palo.storage.ranges import open_ranges
from palo.storage.reading import file_sizes, read_json
from palo.storage.s3_path import S3Path
from palo.storage.writing import alone_in, ensure_folder, replacing, write_json

SCRATCH = "PALO_SCRATCH"
"""Environment variable that names a folder on this machine's fastest disk."""
_RECORD = "staged.json"
_RANGE_BYTES = 8 << 20
_RANGES_AT_ONCE = 16
_LOOKS_AT_ONCE = 16
_WAIT_S = 86_400.0
_SPARE_BYTES = 1 << 30


def scratch_folder() -> Path:
    """Returns the folder of this machine for copies of what lies elsewhere."""
    named = os.environ.get(SCRATCH)
    return Path(named).absolute() if named else cache_folder() / "scratch"


def near_copy(folder: Path, suffixes: tuple[str, ...]) -> Path:
    """Returns a folder of this machine with the files of one on S3, copied once for all processes.

    Args:
        folder: The folder; one on a disk is returned as it is.
        suffixes: What the names of the files that are needed end in.

    Raises:
        ResourceError: If the local disk has no room for them.
        StorageError: If one can't be read or written.
    """
    if not isinstance(folder, S3Path):
        return folder
    names = [name for name in file_sizes(folder) if name.endswith(suffixes)]
    return stage_folder(folder, scratch_folder() / "staged", _say, names)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def stage_folder(
    source: Path,
    scratch: Path,
    say: Callable[[str], None],
    names: Sequence[str] | None = None,
) -> Path:
    """Copies files of a folder to a local disk, unless they are there; other processes wait.

    Args:
        source: The folder, on a slower disk or on S3.
        scratch: Folder on the local disk.
        say: Takes lines about what is copied.
        names: Paths of the files in the folder; None for the files right in it.

    Returns:
        A folder that holds them under the same names. It is to be read only.

    Raises:
        ResourceError: If the local disk has no room for them.
        StorageError: If one can't be read or written.
    """
    names = sorted(file_sizes(source)) if names is None else sorted(names)
    with wrap_os_errors("read", source), ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        found = list(pool.map(lambda name: (source / name).stat(), names))
    stats = dict(zip(names, found, strict=True))
    sizes = {name: one.st_size for name, one in stats.items()}
    stamp = [str(source), *((name, one.st_size, one.st_mtime_ns) for name, one in stats.items())]
    digest = hashlib.sha256(repr(stamp).encode()).hexdigest()[:16]
    target = ensure_folder(scratch) / f"{source.name}-{digest}"
    if _is_whole(target, sizes):
        return target
    with ExitStack() as held:
        try:
            held.enter_context(alone_in(target))
        except ResourceError:
            say(f"another process copies {source} to {target}: waiting for it")
            held.enter_context(alone_in(target, wait_s=_WAIT_S))
        if not _is_whole(target, sizes):
            _fill(source, target, sizes, say)
    return target


def _is_whole(target: Path, sizes: Mapping[str, int]) -> bool:
    """Returns whether a copy was finished, and nothing cleared files of it away since."""
    if not (target / _RECORD).exists():
        return False
    paths = ((target / name, size) for name, size in sizes.items())
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _fill(source: Path, target: Path, sizes: Mapping[str, int], say: Callable[[str], None]) -> None:
    there = sum((target / n).stat().st_size for n in sizes if (target / n).exists())
    missing = sum(sizes.values()) - there
    free = shutil.disk_usage(target).free
    if missing > free - _SPARE_BYTES:
        raise ResourceError(
            f"the local disk has no room for a copy of {source}",
            seen=f"{_gib(missing)} are needed besides {_gib(_SPARE_BYTES)} that stay free, "
            f"{_gib(free)} are free in {target.parent}",
            fix="Name another folder as scratch, or remove what earlier runs left there.",
        )
    say(f"copying {source} ({_gib(sum(sizes.values()))}) to {target}")
    hashes = {name: _copy(source / name, target / name, size) for name, size in sizes.items()}
    record = {
        name: {"bytes": size, "sha256": hashes[name], "stamp": _stamp(target / name)}
        for name, size in sizes.items()
    }
    write_json(target / _RECORD, {"source": str(source), "files": record})


def _stamp(path: Path) -> list[int]:
    """Returns what differs once another file lies there, or the file was written to."""
    found = path.stat()
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def _gib(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**29 else f"{count / 2**20:,.0f} MiB"


def _copy(source: Path, target: Path, size: int) -> str:
    """Copies a file, several ranges of it at once; returns its SHA-256."""
    digest = hashlib.sha256()
    pending: deque[Future[bytes]] = deque()
    with (
        wrap_os_errors("copy", source),
        open_ranges(source) as ranges,
        replacing(target) as partial,
        partial.open("wb") as file,
        ThreadPoolExecutor(_RANGES_AT_ONCE) as pool,
    ):

        def take() -> None:
            data = pending.popleft().result()
            digest.update(data)
            file.write(data)

        for start in range(0, size, _RANGE_BYTES):
            pending.append(pool.submit(ranges.read, start, min(_RANGE_BYTES, size - start)))
            if len(pending) == _RANGES_AT_ONCE:
                take()
        while pending:
            take()
    return digest.hexdigest()


def staged_hash(path: Path) -> str | None:
    """Returns the SHA-256 of a copy that is as it was written; None for any other file.

    Args:
        path: The file.
    """
    record = path.parent / _RECORD
    if not record.is_file():
        return None
    known = read_json(record)["files"].get(path.name)
    if known is None or not path.is_file() or _stamp(path) != known["stamp"]:
        return None
    return str(known["sha256"])
