"""Errors of files and folders, told with their path and what to do about them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo.errors import StorageError


@contextmanager
def wrap_os_errors(action: str, path: Path) -> Iterator[None]:
    """Turns an OSError of the block into a StorageError that names the path and the remedy."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"can't {action} {path}", seen=error.strerror or error, fix=_remedy(error)
        ) from error


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "Free some disk space or choose another folder; what was finished is kept."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "Choose a folder that you may write, or change its permissions."
        case errno.ENOENT:
            return "Check the path."
        case errno.EFBIG:
            return "Check that it is the file that was meant, or split it."
        case errno.ENOTDIR | errno.EISDIR | errno.EEXIST:
            return "A file and a folder have the same name: choose another path."
    return "Check the disk and the path."
