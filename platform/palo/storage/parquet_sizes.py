"""Memory that a Parquet file takes when it is decoded, computed before it is decoded.

A few bytes may expand to gigabytes: pages are compressed, and a long value is stored once and
referenced many times. The file's footer may lie about that, so the headers of the pages are read: a
decoder never writes more than these say. pyarrow is loaded where it is used.

Source:
    Apache Parquet, parquet.thrift and Encodings.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from palo.storage.parquet_footer import (
    Chunk,
    CutOffError,
    Fields,
    ThriftError,
    ThriftReader,
    Wanted,
    damaged,
    row_groups,
)
from palo.storage.paths import wrap_os_errors
from palo.storage.ranges import Ranges, open_ranges

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

_DICTIONARY_PAGE = 2
_DATA_PAGES: Mapping[int, tuple[int, int]] = {0: (5, 2), 3: (8, 4)}
"""Of each type of data page the field with its header, and that of the encoding therein."""
_BY_INDEX = (2, 8)  # PLAIN_DICTIONARY, RLE_DICTIONARY
_DELTA_BYTE_ARRAY = 7
_BYTES_PER_VALUE = 16
_HEADER_BYTES = 1 << 10
_MAX_HEADER_BYTES = 16 << 20  # statistics may hold whole values
_AHEAD_BYTES = 1 << 13  # of S3: the pages between the headers are not wanted
_LOOKED_AT_BYTES = 16 << 20
"""Largest dictionary whose longest value is looked for."""
_UNCOMPRESSED = 0
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_WANTED: Wanted = {1: None, 2: None, 3: None} | {
    field: dict.fromkeys(range(1, 5)) for field in (5, 7, 8)
}
"""Of a page's header its type and sizes, and what it says of its values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnSize:
    """How much a column of a row group takes at most, by the headers of its pages.

    Attributes:
        num_values: Values, those in lists counted one by one.
        stored_bytes: What it takes in the file.
        page_bytes: All its pages and its dictionary, decompressed.
        repeated_bytes: Decoded values that are stored as places in a dictionary, if each were as
            long as the longest one.
        shared_bytes: Decoded values that are stored as suffixes of the value before.
    """

    num_values: int
    stored_bytes: int
    page_bytes: int
    repeated_bytes: int
    shared_bytes: int

    @property
    def decoded_bytes(self) -> int:
        """What it takes in memory at most."""
        fixed = _BYTES_PER_VALUE * self.num_values
        return fixed + self.page_bytes + self.repeated_bytes + self.shared_bytes


class _Page(NamedTuple):
    is_dictionary: bool
    encoding: int
    num_values: int
    start: int
    stored_bytes: int
    num_bytes: int


def column_sizes(
    path: Path, file: "pq.ParquetFile", group: int, names: Sequence[str], enough_bytes: int
) -> list[ColumnSize]:
    """Returns the sizes of columns of a row group, in the order of their names.

    Args:
        path: The file.
        file: The same file, open.
        group: Number of the row group.
        names: Paths of the columns.
        enough_bytes: Sizes surely below this need not be exact.

    Raises:
        StorageError: If the file can't be read, or a page's header is damaged.
    """
    columns = [file.schema.column(n) for n in range(len(file.schema))]
    places = {str(column.path): n for n, column in enumerate(columns)}
    chunks = row_groups(path)[group].chunks
    if len(chunks) != len(places):
        raise damaged(path, f"{len(chunks)} columns in row group {group}, not {len(places)}")
    with wrap_os_errors("read", path), open_ranges(path, _AHEAD_BYTES) as ranges:
        try:
            return [
                _column_size(ranges, chunks[place], columns[place], enough_bytes)
                for place in map(places.__getitem__, names)
            ]
        except ThriftError as error:
            raise damaged(path, f"a page of row group {group}: {error}") from error


def _column_size(
    ranges: Ranges, chunk: Chunk, column: "pq.ColumnSchema", enough_bytes: int
) -> ColumnSize:
    dictionary: _Page | None = None
    num_values = num_bytes = num_named = shared = 0
    for page in _pages(ranges, chunk):
        num_bytes += page.num_bytes
        if page.is_dictionary:
            dictionary = page
            continue
        num_values += page.num_values
        num_named += page.num_values if page.encoding in _BY_INDEX else 0
        if page.encoding == _DELTA_BYTE_ARRAY:
            shared += page.num_values * page.num_bytes
    longest = 0
    if dictionary is not None and column.physical_type == "FIXED_LEN_BYTE_ARRAY":
        longest = min(column.length, dictionary.num_bytes)
    elif dictionary is not None and column.physical_type == "BYTE_ARRAY":
        longest = dictionary.num_bytes
        if num_named * longest > enough_bytes and longest <= _LOOKED_AT_BYTES:
            longest = _longest_value(ranges, dictionary, chunk.codec)
    return ColumnSize(
        num_values=num_values,
        stored_bytes=chunk.stored_bytes,
        page_bytes=num_bytes,
        repeated_bytes=num_named * longest,
        shared_bytes=shared,
    )


def _pages(ranges: Ranges, chunk: Chunk) -> Iterator[_Page]:
    """Yields the pages that a decoder would read, without their data."""
    place, num_left = chunk.start, chunk.num_values
    end = place + chunk.stored_bytes
    while place < end and num_left > 0:
        fields, size = _header(ranges, place)
        kind, num_bytes, stored = (_number(fields, field) for field in (1, 2, 3))
        if min(num_bytes, stored) < 0:
            raise ThriftError("a negative size")
        start = place + size
        place = start + stored
        if kind == _DICTIONARY_PAGE:
            yield _Page(True, 0, _number(_struct(fields, 7), 1), start, stored, num_bytes)
        elif kind in _DATA_PAGES:
            field, encoding = _DATA_PAGES[kind]
            own = _struct(fields, field)
            num_values = _number(own, 1)
            if num_values < 0:
                raise ThriftError("a negative number of values")
            num_left -= num_values
            yield _Page(False, _number(own, encoding), num_values, start, stored, num_bytes)


def _header(ranges: Ranges, place: int) -> tuple[Fields, int]:
    """Returns a page's header and its size in bytes."""
    size = _HEADER_BYTES
    while True:
        reader = ThriftReader(ranges.read(place, size))
        try:
            return reader.struct(_WANTED), reader.position
        except CutOffError:
            if size >= _MAX_HEADER_BYTES:
                raise
            size *= 16


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int):
        raise ThriftError(f"field {number} is missing")
    return value


def _struct(fields: Fields, number: int) -> Fields:
    value = fields.get(number)
    if not isinstance(value, dict):
        raise ThriftError(f"field {number} is missing")
    return value


def _longest_value(ranges: Ranges, page: _Page, codec: int) -> int:
    """Returns how long the longest value of a dictionary is; at worst, as the dictionary."""
    import pyarrow as pa

    data = ranges.read(page.start, page.stored_bytes)
    try:
        if codec != _UNCOMPRESSED:
            data = pa.decompress(data, page.num_bytes, codec=_CODECS[codec], asbytes=True)
    except (KeyError, OSError, pa.ArrowException):  # the decoder reports what is wrong
        return page.num_bytes
    longest = place = 0
    while place + 4 <= len(data):
        size = int.from_bytes(data[place : place + 4], "little")
        longest = max(longest, size)
        place += 4 + size
    return min(longest, page.num_bytes)


def row_bytes(batch: "pa.RecordBatch") -> "npt.NDArray[np.int64]":
    """Returns about how many bytes each row holds, with values of dictionaries counted in full.

    Args:
        batch: Rows, at any depth of lists and structs.

    Returns:
        (rows,) int64: the lengths of texts and bytes, and 16 for each value.
    """
    import numpy as np

    sizes = np.zeros(len(batch), np.int64)
    for column in batch.columns:
        sizes += _sizes(column)
    return sizes


def _sizes(array: "pa.Array") -> "npt.NDArray[np.int64]":
    import numpy as np
    import pyarrow as pa

    kind = array.type
    if isinstance(array, pa.DictionaryArray):
        inner = _sizes(array.dictionary)
        places = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return inner[places] if len(inner) else _plus(array, 0)
    if pa.types.is_struct(kind):
        sizes = _plus(array, 0)
        for field in array.flatten():
            sizes += _sizes(field)
        return sizes
    if pa.types.is_fixed_size_list(kind):
        inner = _sizes(array.flatten()) if array.null_count == 0 else _sizes(array.values)
        return _plus(array, np.resize(inner, (len(array), kind.list_size)).sum(axis=1))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        offsets = array.offsets.to_numpy(zero_copy_only=False)
        inner = _sizes(array.values)
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(inner)])
        return _plus(array, sums[offsets[1:]] - sums[offsets[:-1]])
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or _is_large(kind):
        import pyarrow.compute as pc

        lengths = pc.binary_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        return _plus(array, lengths.astype(np.int64))
    return _plus(array, 0)


def _is_large(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _plus(array: "pa.Array", sizes: "npt.NDArray[np.int64] | int") -> "npt.NDArray[np.int64]":
    import numpy as np

    return np.full(len(array), _BYTES_PER_VALUE, np.int64) + sizes
