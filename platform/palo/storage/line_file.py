"""An append-only file of JSON lines, each found again by its offset."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import orjson

from palo.errors import DataError, StorageError
from palo.storage.paths import wrap_os_errors
from palo.storage.s3_path import S3Path
from palo.storage.writing import ensure_folder

_SYNC_EVERY_S = 0.5


class LineFile:
    """JSON lines on a local disk. Use it as a context; first read what it holds, then append.

    A line has reached the operating system when `append` returns, so that it survives the process.
    It reaches the disk half a second later, or when the file is closed.

    Args:
        path: The file; made if it is missing.

    Raises:
        StorageError: If it can't be opened, or lies on S3, where nothing can be appended.
    """

    def __init__(self, path: Path) -> None:
        if isinstance(path, S3Path):
            raise StorageError(
                "nothing can be kept line by line on S3",
                seen=path,
                fix="Name a folder on a disk.",
            )
        self._path = path
        ensure_folder(path.parent)
        with wrap_os_errors("write", path):
            self._file = path.open("a+b", buffering=0)
        self._end = 0
        self._synced_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with wrap_os_errors("write", self._path):
            os.fsync(self._file.fileno())
            self._file.close()

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields the offset and values of each line, then removes a line that was cut off.

        Raises:
            DataError: If a line is not one of ours.
        """
        place = 0
        with wrap_os_errors("read", self._path), self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                yield place, self._parsed(place, line)
                place += len(line)
        with wrap_os_errors("write", self._path):
            self._file.truncate(place)
        self._end = place

    def append(self, values: dict[str, Any]) -> int:
        """Appends a line. Halves of surrogate pairs become question marks.

        Args:
            values: A JSON object.

        Returns:
            The line's offset in bytes, which `read` takes.

        Raises:
            StorageError: If it can't be written.
        """
        line = _line(values)
        place = self._end
        with wrap_os_errors("write", self._path):
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            self._end += len(line)
            if time.monotonic() - self._synced_at >= _SYNC_EVERY_S:
                os.fsync(self._file.fileno())
                self._synced_at = time.monotonic()
        return place

    def read(self, place: int) -> dict[str, Any]:
        """Returns the values of the line at an offset.

        Args:
            place: Offset in bytes, as `append` and `rows` give it.

        Raises:
            DataError: If no line of this file starts there.
            StorageError: If it can't be read.
        """
        with wrap_os_errors("read", self._path):
            line = bytearray()
            while not line.endswith(b"\n"):
                part = os.pread(self._file.fileno(), 1 << 14, place + len(line))
                end = part.find(b"\n") + 1
                line += part[:end] if end else part
                if not part:
                    break
        return self._parsed(place, bytes(line))

    def _parsed(self, place: int, line: bytes) -> dict[str, Any]:
        try:
            values = orjson.loads(line)
        except ValueError:
            values = None
        if isinstance(values, dict):
            return values
        raise DataError(
            f"byte {place:,} of {self._path} begins no line of ours",
            seen=repr(line[:60]),
            fix="Take back what was changed by hand.",
        )


def _line(values: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate pair, which no UTF-8 holds
        return json.dumps(values, ensure_ascii=False).encode(errors="replace") + b"\n"
