"""Keeping a folder to one process."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo.errors import ResourceError
from palo.storage.s3_path import S3Path
from palo.storage.writing import ensure_folder

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.01


@contextmanager
def alone_in(folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Keeps a folder to the block; the lock ends with the process, however that ends.

    The system locks the folder itself, so that nothing is left in it. Stores and some network file
    systems know no such locks: there the caller must take care.

    Args:
        folder: Created if it isn't there.
        wait_s: Seconds in which another holder, a thread of this process too, may let go.

    Raises:
        ResourceError: If another process holds it, for all that time.
        StorageError: If it can't be created or written.
    """
    ensure_folder(folder)
    if isinstance(folder, S3Path):
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, folder, time.monotonic() + wait_s)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path, until_s: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until_s:
                time.sleep(_LOOK_EVERY_S)
                continue
            raise ResourceError(
                "another process is writing in this folder",
                seen=folder,
                fix="Wait until it is done, or name another folder.",
            ) from None
        except OSError as error:
            _log.warning("%s can't be locked (%s): let only one process write there", folder, error)
        return
