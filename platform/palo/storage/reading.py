"""Reading files: bytes, text, JSON and TOML, with bounds and errors that say what to do.

Only regular files are opened, since a pipe may never end and a device never does.
"""

import errno
import hashlib
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from palo.errors import ConfigError, StorageError
from palo.storage import s3_objects
from palo.storage.paths import wrap_os_errors
from palo.storage.s3_path import S3Path

MAX_JSON_BYTES = 64 << 20
"""Largest JSON file, and longest line of JSON lines, that is read."""
_CHUNK_BYTES = 1 << 20
MAX_TOML_BYTES = 4 << 20
"""Largest TOML file that is read."""
# A dotted key costs the reader the square of its parts.
_KEY = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP = re.compile(rf"(?<![\w-]){_KEY}(?:[ \t]*+\.[ \t]*+{_KEY}){{64}}")


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file of this machine for reading; symbolic links are followed.

    Args:
        path: The file.

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

    Args:
        path: The file.

    Raises:
        StorageError: If it can't be read, is too large, or is not JSON.
    """
    text = read_text(path, MAX_JSON_BYTES)
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise StorageError(
            f"{path} is not JSON",
            seen=_told(error),
            fix="Write the file again; it may have been cut off.",
        ) from error


def read_json_lines(
    path: Path, *, on_cut: Callable[[], None] | None = None
) -> Iterator[tuple[int, Any]]:
    """Yields the number of each line that is not blank, from 1, and its JSON value.

    Args:
        path: The file; it may begin with a byte order mark.
        on_cut: Called in place of an error if the last line was cut off; None refuses such a file.

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
            is_cut_off = on_cut is not None and not line.endswith(b"\n")
            try:
                text = line.removesuffix(b"\n").decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, json.loads(text)
            except (ValueError, RecursionError) as error:
                if on_cut is not None and is_cut_off:
                    on_cut()
                    return
                if isinstance(error, UnicodeDecodeError):
                    raise _not_utf8(path, error, offset) from error
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
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits.

    Args:
        path: The file.

    Raises:
        StorageError: If it can't be read.
    """
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
    """Reads a range of a file; fewer bytes than asked for where the file ends before.

    Args:
        path: The file.
        start: Place of the first byte.
        size: Number of bytes.

    Raises:
        StorageError: If it can't be read.
    """
    with wrap_os_errors("read", path):
        if isinstance(path, S3Path):
            return s3_objects.read(path.place, start, size)
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, start)


def file_sizes(folder: Path) -> dict[str, int]:
    """Returns the sizes in bytes of the files directly in a folder, by name; {} without a folder.

    Args:
        folder: The folder.

    Raises:
        StorageError: If it can't be listed.
    """
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
        sizes = {}
        with os.scandir(folder) as found:
            for entry in found:
                with suppress(FileNotFoundError):  # gone since it was listed
                    if entry.is_file():
                        sizes[entry.name] = entry.stat().st_size
        return sizes


def read_toml(path: Path, fix: str = "Correct it there.") -> dict[str, Any]:
    """Reads a TOML file.

    Args:
        path: The file.
        fix: What to do if it is none.

    Raises:
        ConfigError: If it is no TOML, or is nested too deeply.
        StorageError: If it can't be read, is not UTF-8, or is larger than 4 MiB.
    """
    text = read_text(path, MAX_TOML_BYTES)
    try:
        if _DEEP.search(text):
            raise RecursionError
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path} is not TOML", seen="nested too deeply", fix=fix) from error
    except ValueError as error:  # also a number of thousands of digits
        raise ConfigError(f"{path} is not TOML", seen=f"{error!s:.200}", fix=fix) from error
