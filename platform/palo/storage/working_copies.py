"""A folder on a disk that stands for one on S3, for what can only work on a disk."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo.errors import StorageError
from palo.storage import s3_lease
from palo.storage.copying import copy_file, keep_copy
from palo.storage.s3_path import S3Path
from palo.storage.staging import scratch_folder
from palo.storage.writing import alone_in, ensure_folder

_log = logging.getLogger(__name__)
_SEND_EVERY_S = 30.0


@contextmanager
def working_copy(folder: Path) -> Iterator[Path]:
    """Yields a folder on a disk with the files of one on S3; what changes in it is sent there.

    That happens now and then, and when the block ends, however it ends. Files are never deleted
    there. One process at a time works on a folder.

    Args:
        folder: The folder; one on a disk is yielded itself.

    Raises:
        ResourceError: If another process works on it.
        StorageError: If something can't be read or written.
    """
    if not isinstance(folder, S3Path):
        yield folder
        return
    name = f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    root = ensure_folder(scratch_folder() / "work" / name)
    own = root / "copy" / "files"
    with alone_in(root), alone_in(folder):
        keep_copy(folder, own, lambda path: path.name != s3_lease.NAME)
        sender = _Sender(own, folder)
        thread = threading.Thread(target=sender.run, name="palo-send", daemon=True)
        thread.start()
        try:
            yield ensure_folder(own)
        finally:
            sender.ended.set()
            thread.join()
            sender.send()


class _Sender:
    """Sends the files of a folder that have changed since they were fetched or sent."""

    def __init__(self, own: Path, folder: S3Path) -> None:
        self.ended = threading.Event()
        self._own = own
        self._folder = folder
        self._sent = {path: path.stat().st_mtime_ns for path in _files(own)}

    def run(self) -> None:
        while not self.ended.wait(_SEND_EVERY_S):
            try:
                self.send()
            except StorageError as error:  # the last time, it is an error
                _log.warning("%s: tried again later", error)

    def send(self) -> None:
        for path in _files(self._own):
            stamp = path.stat().st_mtime_ns
            if self._sent.get(path) != stamp:
                copy_file(path, self._folder / path.relative_to(self._own))
                self._sent[path] = stamp


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
