"""Reading files, with errors that say what to do."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palo.errors import StorageError
from palo.storage import s3_objects
from palo.storage.explained import explained
from palo.storage.s3_path import S3Path

_CHUNK_BYTES = 1 << 20


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


def read_bytes(path: Path) -> bytes:
    """Reads a whole file."""
    with explained("read", path):
        return path.read_bytes()


def read_range(path: Path, start: int, size: int) -> bytes:
    """Reads some bytes of a file; fewer than asked for where the file ends before.

    Args:
        path: The file.
        start: Place of the first byte.
        size: Number of bytes.
    """
    with explained("read", path):
        if isinstance(path, S3Path):
            return s3_objects.read(path.place, start, size)
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, start)


def file_sizes(folder: Path) -> dict[str, int]:
    """Returns name and size in bytes of each file that lies right in a folder; {} without one."""
    if isinstance(folder, S3Path):
        entries = s3_objects.below(folder.place)
        return {
            entry.key.rpartition("/")[2]: entry.size_bytes
            for entry in entries
            if entry.size_bytes is not None
        }
    with explained("list", folder):
        if not folder.is_dir():
            return {}
        with os.scandir(folder) as found:
            return {entry.name: entry.stat().st_size for entry in found if entry.is_file()}
