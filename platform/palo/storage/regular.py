"""Regular files alone, up to a bound: a pipe may never end, a device never does."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from palo.storage import s3_objects
from palo.storage.s3_path import S3Path


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file of this machine for reading; symbolic links are followed.

    Raises:
        FileNotFoundError: If there is none.
        OSError: If it is a pipe, a socket, a device or a folder, or can't be opened.
    """
    _require_regular(path, path.stat())  # opening a device can do something already
    # Without waiting: it may have become a pipe meanwhile.
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115
    try:
        _require_regular(path, os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Reads a whole file, local or on S3, unless it is too large.

    Args:
        path: The file.
        max_bytes: The most that it may hold; no more than that is ever read.

    Raises:
        FileNotFoundError: If there is none.
        OSError: If it is no file, can't be read, or with EFBIG, is too large.
        StorageError: If a store refuses.
    """
    if isinstance(path, S3Path):
        found = path.stat()
        _require_regular(path, found)
        _require_size(path, found.st_size, max_bytes)
        return s3_objects.read(path.place, 0, max_bytes)
    with open_regular(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        _require_size(path, size_bytes, max_bytes)
        data = file.read(size_bytes + 1)  # memory for all that is asked for is taken at once
        if len(data) > size_bytes:  # it has grown
            data += file.read(max_bytes - size_bytes)
    _require_size(path, len(data), max_bytes)
    return data


def _require_regular(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no file", str(path))


def _require_size(path: Path, size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise OSError(errno.EFBIG, f"it has {size_bytes} bytes, more than {max_bytes}", str(path))
