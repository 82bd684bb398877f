"""Writing files whole or not at all, deleting them, and locking folders."""

import fcntl
import json
import logging
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo.errors import ResourceError
from palo.storage import s3_lease, s3_objects, s3_upload
from palo.storage.paths import wrap_os_errors
from palo.storage.s3_path import S3Path

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.01
_SHOWN_CHARACTERS = 120


def ensure_folder(path: Path) -> Path:
    """Creates a folder with its parents and checks that it can be written.

    Args:
        path: The folder.

    Returns:
        The same path.

    Raises:
        StorageError: If it can't be created or written.
    """
    if isinstance(path, S3Path):
        probe = path / f".probe-{secrets.token_hex(8)}"
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)
        return path
    with wrap_os_errors("write to the folder", path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".probe-"):
            pass
    return path


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yields a temporary local file that takes the path's place only if the block succeeds.

    The file is readable for whom the umask and the folder say, whatever library writes it: some
    make files for their owner alone.

    Args:
        path: The file to write.
        private: Make it readable for its owner alone, from the first byte on.

    Raises:
        StorageError: If it can't be written; the path then holds what it held before.
    """
    with wrap_os_errors("write", path):
        if isinstance(path, S3Path):
            with tempfile.TemporaryDirectory(prefix="palo-") as folder:
                partial = Path(folder) / path.name
                yield partial
                s3_upload.upload(path.place, partial)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
        try:
            mode = _new_file(partial, 0o600 if private else 0o666)
            if not private:
                partial.unlink()  # so that a block that writes nothing is an error
            yield partial
            with partial.open("rb+") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) != mode:
                    os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _new_file(path: Path, mode: int) -> int:
    """Makes an empty file; returns the mode that it got, less what the umask takes away."""
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, mode)
    try:
        return stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Writes a whole file or none.

    Args:
        path: The file.
        data: Its bytes.

    Raises:
        StorageError: If it can't be written.
    """
    if isinstance(path, S3Path):
        path.write_bytes(data)
        return
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file or none.

    Args:
        path: The file.
        text: Its text, written as UTF-8.

    Raises:
        StorageError: If it can't be written.
    """
    write_bytes(path, text.encode())


def write_json(path: Path, values: object) -> None:
    """Writes a whole JSON file or none, indented and in UTF-8.

    Args:
        path: The file.
        values: JSON values.

    Raises:
        StorageError: If it can't be written.
    """
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def remove(path: Path) -> None:
    """Deletes a file, or a folder with all its content; a missing path is no error.

    Args:
        path: The file or folder.

    Raises:
        StorageError: If it can't be deleted.
    """
    if isinstance(path, S3Path):
        s3_objects.delete_below(path.place)
        s3_objects.delete(path.place)
        return
    with wrap_os_errors("delete", path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Gives a folder to one process for the length of the block.

    The lock ends with the process, however that ends. The folder itself is locked, so that no lock
    file stays in it, which is why filelock doesn't do. On S3 it is an object that must be renewed
    (`s3_lease`). Some network file systems have no locks: there the caller must take care.

    Args:
        folder: The folder; created if it is missing.
        wait_s: How long to wait for another holder, which may be a thread of this process.

    Raises:
        ResourceError: If another holder keeps it for all that time.
        StorageError: If it can't be created or written.
    """
    ensure_folder(folder)
    if isinstance(folder, S3Path):
        with s3_lease.hold(folder, wait_s):
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
                seen=f"{folder}{_holder(handle)}",
                fix="Wait until it is done, or name another folder.",
            ) from None
        except OSError as error:
            _log.warning("%s can't be locked (%s): let only one process write there", folder, error)
        return


def _holder(handle: int) -> str:
    """Names the process that holds a lock on a file, where the kernel tells it."""
    found = os.fstat(handle)
    inode = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        owners = [line.split()[4] for line in lines if inode in line.split() and "->" not in line]
        command = Path(f"/proc/{owners[0]}/cmdline").read_bytes() if owners else b""
    except (OSError, IndexError):  # no Linux, a process that has ended or that may not be seen
        return ""
    words = command.decode("utf-8", "replace").replace("\0", " ").strip()
    return f", held by process {owners[0]} ({words[:_SHOWN_CHARACTERS]})" if words else ""
