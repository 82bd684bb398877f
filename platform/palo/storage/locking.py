"""Keeping a folder to one process."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo.errors import ResourceError
from palo.storage.s3_path import S3Path
from palo.storage.writing import ensure_folder

_log = logging.getLogger(__name__)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps a folder to the block; the lock ends with the process, however that ends.

    The system locks the folder itself, so that nothing is left in it. Stores and some network file
    systems know no such locks: there the caller must take care.

    Args:
        folder: Created if it isn't there.

    Raises:
        ResourceError: If another process holds it.
        StorageError: If it can't be created or written.
    """
    ensure_folder(folder)
    if isinstance(folder, S3Path):
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ResourceError(
            "another process is writing in this folder",
            seen=folder,
            fix="Wait until it is done, or name another folder.",
        ) from None
    except OSError as error:
        _log.warning("%s can't be locked (%s): let only one process write there", folder, error)
