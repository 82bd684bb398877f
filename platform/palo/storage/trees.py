"""All files below a folder: their sizes, and a copy that is continued where it broke off."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from palo.storage import s3_objects
from palo.storage.copying import copy_file
from palo.storage.paths import wrap_os_errors
from palo.storage.ranges import open_ranges
from palo.storage.s3_path import S3Path
from palo.storage.writing import alone_in, replacing

_RANGE_BYTES = 8 << 20
_FILES_AT_ONCE = 16


def tree_sizes(folder: Path) -> dict[PurePosixPath, int]:
    """Returns the size in bytes of every file below a folder, by its path in the folder.

    Args:
        folder: The folder; a missing one has no files.

    Raises:
        StorageError: If it can't be read.
    """
    with wrap_os_errors("read", folder):
        return dict(_sizes(folder))


def _sizes(folder: Path) -> Iterator[tuple[PurePosixPath, int]]:
    if isinstance(folder, S3Path):
        start = len(folder.place.key) + 1 if folder.place.key else 0
        for entry in s3_objects.below(folder.place, deep=True):
            yield PurePosixPath(entry.key[start:]), entry.size_bytes or 0
        return
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(place) / name
            if path.is_file():
                yield PurePosixPath(path.relative_to(folder)), path.stat().st_size


def copy_tree(
    source: Path, target: Path, files: Mapping[PurePosixPath, int], copied: Callable[[int], None]
) -> None:
    """Copies files of a folder to a disk; what an earlier copy brought isn't read again.

    A file that broke off is continued. Each has its source's time of change, by which a later copy
    knows whether it is still the same.

    Args:
        source: The folder.
        target: Folder on a disk; what else it holds stays.
        files: Sizes of the files to copy, by their paths in the folder.
        copied: Told of bytes as they are there, those of an earlier copy included.

    Raises:
        ResourceError: If another process copies to the same folder.
        StorageError: If something can't be read or written.
    """
    with alone_in(target):
        for name, size in files.items():
            _continue(source / name, target / name, size, copied)


def _continue(source: Path, target: Path, size: int, copied: Callable[[int], None]) -> None:
    with wrap_os_errors("copy", source):
        stamp = source.stat().st_mtime_ns
        if target.is_file() and target.stat().st_mtime_ns == stamp:
            copied(size)
            return
        # The stamp in its name keeps a part of another state of the file out.
        part = target.with_name(f".{target.name}.{stamp}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as written, open_ranges(source) as ranges:
            done = written.tell()
            copied(done)
            while done < size:
                data = ranges.read(done, min(_RANGE_BYTES, size - done))
                written.write(data)
                done += len(data)
                copied(len(data))
        with replacing(target) as partial:
            part.replace(partial)
        os.utime(target, ns=(stamp, stamp))


def send_tree(source: Path, target: S3Path, last: str = "") -> None:
    """Copies a folder on a disk to S3, several files at once.

    Args:
        source: The folder.
        target: The folder on S3; what else it holds stays.
        last: Name of a file that says that all are there, and is sent when they are.

    Raises:
        StorageError: If something can't be read or written.
    """
    names = sorted(tree_sizes(source))

    def send(name: PurePosixPath) -> None:
        copy_file(source / name, target / name)

    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        for _ in pool.map(send, [name for name in names if str(name) != last]):
            pass
    if last:
        send(PurePosixPath(last))
