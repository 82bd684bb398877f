"""Opens a source's file; gzip is unpacked while it is read, and bounded."""

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from palo.corpus.sources.rows import source_error
from palo.reasons import SourceFault

GZIP_SUFFIX = ".gz"

_SURELY_FINE_BYTES = 512 << 20
_MAX_RATIO = 100  # of text to gzip; text written by people reaches ten


def is_gzip(path: Path) -> bool:
    """Returns whether a file is compressed by gzip, by its name.

    Args:
        path: The file.
    """
    return path.suffix.lower() == GZIP_SUFFIX


def suffix_of(path: Path) -> str:
    """Returns the suffix of a file as it is when it is unpacked, in lower case.

    Args:
        path: The file.
    """
    return (path.with_suffix("") if is_gzip(path) else path).suffix.lower()


def open_source(path: Path) -> BinaryIO:
    """Opens a source's file for reading its bytes, unpacked.

    Args:
        path: The file.

    Raises:
        DataError: While it is read, if it is damaged or unpacks to too much.
        OSError: If it can't be opened.
    """
    if not is_gzip(path):
        return path.open("rb")
    return io.BufferedReader(_Unpacked(path), buffer_size=1 << 20)


class _Unpacked(io.RawIOBase):
    """The bytes that are in a gzip file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._most = max(_SURELY_FINE_BYTES, _MAX_RATIO * path.stat().st_size)
        self._raw = path.open("rb")
        self._file = gzip.GzipFile(fileobj=self._raw, mode="rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _Damages(self._path):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _Damages(self._path):
            data = self._file.read(len(buffer))
        if self._file.tell() > self._most:
            raise source_error(
                SourceFault.UNPACKS,
                f"{self._path}: more than {self._most:,} bytes",
                fix="Check where it comes from, or unpack it: gunzip.",
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        self._raw.close()
        super().close()


class _Damages:
    """Turns what gzip raises for a damaged file into an error for people."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile)):
            raise source_error(
                SourceFault.GZIP, f"{self._path}: {error}", fix="Download it again."
            ) from error
