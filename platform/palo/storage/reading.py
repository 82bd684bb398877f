"""Reading files, with errors that say what to do."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from palo.errors import StorageError
from palo.storage import s3_objects
from palo.storage.os_errors import wrap_os_errors
from palo.storage.regular import open_regular, read_regular
from palo.storage.s3_path import S3Path

MAX_JSON_BYTES = 64 << 20
"""Largest JSON file, and longest line of JSON lines, that is read."""

_CHUNK_BYTES = 1 << 20


def read_text(path: Path, max_bytes: int | None = None) -> str:
    """Reads a UTF-8 text file.

    Args:
        path: The file.
        max_bytes: The most that it may hold; None takes any size.

    Raises:
        StorageError: If it can't be read, is too large, or is not UTF-8.
    """
    data = read_bytes(path, max_bytes)
    try:
        # Line ends become \n, as where a file is opened for text.
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error, 0) from error


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON values
    """Reads a JSON file of at most 64 MiB.

    Raises:
        StorageError: If it can't be read, is too large, or is not JSON.
    """
    text = read_text(path, MAX_JSON_BYTES)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StorageError(
            f"{path} is not JSON",
            seen=_told(error),
            fix="Write the file again; it may have been cut off.",
        ) from error


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yields the number of each line that is not blank, from 1, and its JSON value.

    Raises:
        StorageError: If the file can't be read, is not UTF-8, or a line is not JSON or is longer
            than 64 MiB.
    """
    with wrap_os_errors("read", path), _opened(path) as file:
        number = offset = 0
        while line := file.readline(MAX_JSON_BYTES + 1):
            number += 1
            if len(line) > MAX_JSON_BYTES:
                raise _bad_line(path, number, f"longer than {MAX_JSON_BYTES} bytes")
            try:
                text = line.removesuffix(b"\n").decode()
                if text.strip():
                    yield number, json.loads(text)
            except UnicodeDecodeError as error:
                raise _not_utf8(path, error, offset) from error
            except (ValueError, RecursionError) as error:
                raise _bad_line(path, number, f"{_told(error)} in {text[:60]!r}") from error
            offset += len(line)


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, path.open("rb")) if isinstance(path, S3Path) else open_regular(path)


def _told(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}"
    return "too deeply nested" if isinstance(error, RecursionError) else str(error)


def _bad_line(path: Path, number: int, seen: str) -> StorageError:
    return StorageError(
        f"line {number} of {path} is not JSON", seen=seen, fix="Correct the line or take it out."
    )


def _not_utf8(path: Path, error: UnicodeDecodeError, offset: int) -> StorageError:
    return StorageError(
        f"{path} is not UTF-8",
        seen=f"byte 0x{error.object[error.start]:02x} at {offset + error.start}",
        fix="Convert it, for example with iconv -f latin1 -t utf-8.",
    )


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with wrap_os_errors("read", path):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


def read_bytes(path: Path, max_bytes: int | None = None) -> bytes:
    """Reads a whole file, if it is a regular one.

    Args:
        path: The file.
        max_bytes: The most that it may hold; None takes any size.

    Raises:
        StorageError: If it can't be read, is no regular file, or is too large.
    """
    with wrap_os_errors("read", path):
        if max_bytes is not None:
            return read_regular(path, max_bytes)
        if isinstance(path, S3Path):
            return path.read_bytes()
        with open_regular(path) as file:
            return file.read()


def read_range(path: Path, start: int, size: int) -> bytes:
    """Reads some bytes of a file; fewer than asked for where the file ends before.

    Args:
        path: The file.
        start: Place of the first byte.
        size: Number of bytes.
    """
    with wrap_os_errors("read", path):
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
    with wrap_os_errors("list", folder):
        if not folder.is_dir():
            return {}
        with os.scandir(folder) as found:
            return {entry.name: entry.stat().st_size for entry in found if entry.is_file()}
