"""Reads images that lie in the rows of a Parquet file.

Parquet can't be read from the middle of a row group. So a file stays open where the last image
was read: images that are asked for in their order are read once.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any

import pyarrow as pa

from palo import storage
from palo.corpus.sources.parquet import image_leaf
from palo.corpus.sources.parquet_bounds import needs_dictionary
from palo.errors import DataError, ImageError, StorageError
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

_ROWS_PER_BATCH = 8


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
