"""Files and folders: whole writes or none, and errors that say what to do.

Paths are local for now; every other module goes through here, so that object stores will need one
change.
"""

import errno
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from palo.errors import StorageError

_CHUNK_BYTES = 1 << 20


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
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
        case errno.ENOTDIR | errno.EISDIR | errno.EEXIST:
            return "A file and a folder have the same name: choose another path."
    return "Check the disk and the path."


def ensure_folder(path: Path) -> Path:
    """Creates a folder with its parents and proves that it can be written.

    Raises:
        StorageError: If it can't be created or written.
    """
    with explained("write to the folder", path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".probe-"):
            pass
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary sibling to write; it takes the path's place only if the block succeeds.

    Raises:
        StorageError: If it can't be written; the path then holds what it held before.
    """
    with explained("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
        try:
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file or none."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, values: object) -> None:
    """Writes a whole JSON file or none, indented and in Unicode."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_text(path: Path) -> str:
    """Reads a UTF-8 text file.

    Raises:
        StorageError: If it can't be read or is not UTF-8.
    """
    with explained("read", path):
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise StorageError(
                f"{path} is not UTF-8",
                seen=f"byte 0x{error.object[error.start]:02x} at {error.start}",
                fix="Convert it, for example with iconv -f latin1 -t utf-8.",
            ) from error


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON values
    """Reads a JSON file.

    Raises:
        StorageError: If it can't be read or is not JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise StorageError(
            f"{path} is not JSON",
            seen=f"{error.msg} at line {error.lineno}",
            fix="Write the file again; it may have been cut off.",
        ) from error


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yields the number of each line that is not blank, from 1, and its JSON value.

    Raises:
        StorageError: If the file can't be read, is not UTF-8, or a line is not JSON.
    """
    # Not splitlines: it would also split at U+2028, which may stand inside a JSON text.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise StorageError(
                f"line {number} of {path} is not JSON",
                seen=f"{error.msg} in {line[:60]!r}",
                fix="Correct the line or take it out.",
            ) from error


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with explained("read", path):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()
