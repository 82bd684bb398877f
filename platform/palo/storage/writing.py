"""Writing files whole or not at all, and deleting them."""

import json
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo.storage import s3_objects, s3_upload
from palo.storage.os_errors import wrap_os_errors
from palo.storage.s3_path import S3Path


def ensure_folder(path: Path) -> Path:
    """Creates a folder with its parents and proves that it can be written.

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
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary local file to write; it takes the path's place only if the block succeeds.

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
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Writes a whole file or none."""
    if isinstance(path, S3Path):
        path.write_bytes(data)
        return
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file or none."""
    write_bytes(path, text.encode())


def write_json(path: Path, values: object) -> None:
    """Writes a whole JSON file or none, indented and in Unicode."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def remove(path: Path) -> None:
    """Deletes a file, or a folder with all in it; a path that is missing is fine.

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
