"""Copies of files and folders between a disk of this machine and S3."""

import os
from collections.abc import Callable
from pathlib import Path

from palo.storage import s3_upload
from palo.storage.paths import wrap_os_errors
from palo.storage.s3_path import S3Path
from palo.storage.writing import alone_in, replacing

_CHUNK_BYTES = 32 << 20
_WAIT_S = 3600.0


def copy_file(source: Path, target: Path) -> None:
    """Copies a file whole or not at all, in pieces; one of both may lie on S3.

    Args:
        source: The file.
        target: Where the copy goes.

    Raises:
        StorageError: If it can't be read or written.
    """
    if isinstance(target, S3Path) and not isinstance(source, S3Path):
        with wrap_os_errors("read", source):
            s3_upload.upload(target.place, source)
        return
    with (
        wrap_os_errors("read", source),
        source.open("rb") as read,
        replacing(target) as partial,
        partial.open("wb") as written,
    ):
        while chunk := read.read(_CHUNK_BYTES):
            written.write(chunk)


def keep_copy(folder: Path, copy: Path, wanted: Callable[[Path], bool] = lambda path: True) -> Path:
    """Brings a copy of a folder on S3 up to date, once for all processes of this machine.

    Files that were copied and haven't changed there since aren't read again; those that are gone
    there are deleted.

    Args:
        folder: The folder on S3.
        copy: The folder on the disk.
        wanted: Whether a file, named relative to the folder, is copied.

    Returns:
        The folder on the disk.

    Raises:
        StorageError: If something can't be read or written.
    """
    with alone_in(copy.parent, wait_s=_WAIT_S):
        found = {copy / path.relative_to(folder): path for path in folder.rglob("*")}
        for own, path in found.items():
            if not wanted(own.relative_to(copy)):
                continue
            with wrap_os_errors("read", path):
                stamp = path.stat().st_mtime_ns
            if own.is_file() and own.stat().st_mtime_ns == stamp:
                continue
            copy_file(path, own)
            os.utime(own, ns=(stamp, stamp))
        for own in [path for path in copy.rglob("*") if path.is_file()]:
            if own not in found:
                own.unlink()
    return copy
