"""Files of which many ranges are read, local or on S3."""

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from palo.storage import s3_objects
from palo.storage.s3_location import S3Location
from palo.storage.s3_path import S3Path

if TYPE_CHECKING:
    import pyarrow as pa


class Ranges(Protocol):
    """A file that is open for reading ranges, until the `with` block ends or `close` is called."""

    def read(self, start: int, size: int) -> bytes:
        """Returns a range of bytes; fewer than asked for where the file ends before.

        Args:
            start: Offset of the first byte.
            size: Number of bytes.
        """

    def close(self) -> None:
        """Closes the file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def open_ranges(path: Path, ahead_bytes: int = 0) -> Ranges:
    """Opens a file for reading ranges.

    Args:
        path: The file.
        ahead_bytes: How much to fetch from S3 at once if the file is read in order.

    Raises:
        FileNotFoundError: If there is none.
        OSError: If it can't be opened.
    """
    if isinstance(path, S3Path):
        s3_objects.head(path.place)
        return _S3Ranges(path.place, ahead_bytes)
    return _LocalRanges(path)


class _Closing:
    def close(self) -> None:
        """Lets the file go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _LocalRanges(_Closing):
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)

    def read(self, start: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, start)

    def close(self) -> None:
        self._file.close()


class _S3Ranges(_Closing):
    def __init__(self, place: S3Location, ahead_bytes: int) -> None:
        self._place = place
        self._ahead_bytes = ahead_bytes
        self._start = 0
        self._window = b""

    def read(self, start: int, size: int) -> bytes:
        if not self._ahead_bytes:
            return s3_objects.read(self._place, start, size)
        if not self._start <= start <= start + size <= self._start + len(self._window):
            self._window = s3_objects.read(self._place, start, max(size, self._ahead_bytes))
            self._start = start
        return self._window[start - self._start : start - self._start + size]


def open_mapped(path: Path) -> "pa.NativeFile":
    """Opens a file for pyarrow: a local one mapped into memory, one on S3 read into it.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is none.
    """
    import pyarrow as pa

    if isinstance(path, S3Path):
        return pa.BufferReader(path.read_bytes())
    return pa.memory_map(str(path))
