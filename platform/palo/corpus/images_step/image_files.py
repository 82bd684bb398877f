"""Reads image files: from folders, archives, Parquet files, S3 and web servers.

Parquet can't be read from the middle of a row group. So a file stays open where the last image
was read: images that are read in order are decoded once.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa

from palo import storage
from palo.corpus.sources.parquet import image_leaf, needs_dictionary
from palo.errors import DataError, ImageError, StorageError
from palo.images.archives import open_archive
from palo.images.downloads import downloads_in
from palo.images.image_folder import PARQUET, is_web, parts_of, read_image_file
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

_ROWS_PER_BATCH = 8


def image_root(images: Path) -> str:
    """Returns the prefix of the paths of a source's images, without the last slash.

    Args:
        images: A folder, or a file: an archive.
    """
    return f"{images}/" if images.is_file() else str(images)


def stamp_of(path: str) -> tuple[int, int]:
    """Returns size and modification time in ns of an image's file or archive, -1 and -1 without.

    Images of web servers have none: they are downloaded once.

    Args:
        path: The image's path.
    """
    if is_web(path):
        return -1, -1
    try:
        found = storage.path_of(parts_of(path)[0]).stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def stamps_of(paths: Sequence[str]) -> list[tuple[int, int]]:
    """Returns `stamp_of` of many images; looks at each archive once.

    Args:
        paths: The images' paths.
    """
    archives: dict[str, tuple[int, int]] = {}
    stamps: list[tuple[int, int]] = []
    for path in paths:
        file, member = parts_of(path)
        if member and file not in archives:
            archives[file] = stamp_of(file)
        stamps.append(archives[file] if member else stamp_of(path))
    return stamps


def read_image(path: str, indexes: Path, limits: ImageLimits) -> bytes:
    """Reads an image's bytes.

    Args:
        path: Its path in a folder, an archive or a Parquet file, or its URI.
        indexes: Folder of the archives' indexes, and of what was downloaded.
        limits: The limits of its size.

    Raises:
        ImageError: If there is none, it can't be read, or its file is too large.
    """
    file, member = parts_of(path)
    try:
        if is_web(path):
            return downloads_in(indexes / "downloads").read(path, limits)
        if member:
            return _from_archive(file, member, indexes, limits)
        return read_image_file(storage.path_of(file), limits)
    except FileNotFoundError as error:
        raise ImageError(Reason.IMAGE_MISSING, seen=path, fix="Check the path.") from error
    except OSError as error:
        seen = f"{path}: {error.strerror or error}"
        raise ImageError(Reason.IMAGE_UNREADABLE, seen=seen, fix="Check the file.") from error
    except ImageError as error:
        seen = error.seen if path in error.seen else f"{path}: {error.seen}".removesuffix(": ")
        raise ImageError(error.fact, seen=seen, fix=error.fix) from error


def _from_archive(file: str, member: str, indexes: Path, limits: ImageLimits) -> bytes:
    if storage.path_of(file).suffix == PARQUET:
        return open_rows(file, stamp_of(file)).read(int(member), limits)
    try:
        archive = open_archive(file, stamp_of(file), indexes)
    except FileNotFoundError as error:
        raise ImageError(
            Reason.IMAGE_UNREADABLE,
            seen="the archive changed during the build",
            fix="Build the corpus again.",
        ) from error
    return archive.read(member, limits)


class ImageRows:
    """A Parquet file of images that is open for reading.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self._path = storage.path_of(path)
        self._file = storage.open_parquet(self._path)
        self._leaf = image_leaf(self._file)
        metadata = self._file.metadata
        sizes = (metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))
        self._starts = list(accumulate(sizes, initial=0))
        self._values: Iterator[tuple[int, Any]] = iter(())
        self._group = self._next = -1

    def read(self, row: int, limits: ImageLimits) -> bytes:
        """Reads the image of a row.

        Args:
            row: Index of the row.
            limits: The limits of its size.

        Raises:
            ImageError: If there is none, it can't be read, or it is too large.
        """
        try:
            value = self._value(row)
        except (pa.ArrowException, OSError, DataError, StorageError) as error:
            raise ImageError(Reason.IMAGE_UNREADABLE, seen=error, fix="Check the file.") from error
        size = 0 if value is None else value.as_buffer().size
        if not size:
            raise ImageError(Reason.IMAGE_MISSING, fix="Check the row.")
        if size > limits.max_file_bytes:
            raise ImageError(Reason.IMAGE_FILE_TOO_LARGE, seen=f"{size} bytes")
        return bytes(value.as_buffer())

    def _value(self, row: int) -> Any:  # noqa: ANN401 - a scalar of pyarrow
        if self._leaf is None or not 0 <= row < self._starts[-1]:
            return None
        group = max(n for n, start in enumerate(self._starts[:-1]) if start <= row)
        # Where the last one was read, or at the start of the row group.
        if group != self._group or row < self._next:
            self._group, self._values = group, self._rows_of(group)
        for number, value in self._values:
            self._next = number + 1
            if number == row:
                return value
        return None

    def _rows_of(self, group: int) -> Iterator[tuple[int, Any]]:
        number = self._starts[group]
        columns = [] if self._leaf is None else [self._leaf]
        file = self._file
        if needs_dictionary(self._path, file, group, columns):
            texts = storage.texts_among(file, columns)
            file = storage.open_parquet(self._path, by_dictionary=texts)
        batches = file.iter_batches(batch_size=_ROWS_PER_BATCH, row_groups=[group], columns=columns)
        for batch in batches:
            for scalar in batch.column(0):
                yield number, _innermost(scalar)
                number += 1


def _innermost(value: Any) -> Any:  # noqa: ANN401 - scalars of pyarrow
    """Returns the bytes within a struct, a list of one or both; None if there are none."""
    while value.is_valid and not isinstance(value, pa.BinaryScalar | pa.LargeBinaryScalar):
        if isinstance(value, pa.DictionaryScalar):
            value = value.value
        elif not len(value):
            return None
        else:
            value = value["bytes"] if isinstance(value, pa.StructScalar) else value[0]
    return value if value.is_valid else None


@lru_cache(maxsize=4)
def open_rows(path: str, stamp: tuple[int, int]) -> ImageRows:
    """Opens a Parquet file once in a process.

    Args:
        path: The file.
        stamp: Its size and time of change: one that changed is opened again.
    """
    del stamp  # only to tell one content from another
    return ImageRows(path)
