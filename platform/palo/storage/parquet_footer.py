"""What the footer of a Parquet file says of its row groups.

Read by ourselves, since pyarrow's view of a column ends the process where a footer is damaged.
Light: pyarrow is not needed.

Source:
    Apache Parquet, parquet.thrift.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from palo.errors import StorageError
from palo.storage.os_errors import wrap_os_errors
from palo.storage.ranges import Ranges, open_ranges
from palo.storage.thrift import Fields, ThriftError, ThriftReader, Wanted

MAX_FOOTER_BYTES = 64 << 20
END_BYTES = 8
"""Behind the footer: its size, and the magic bytes."""

_GROUPS, _COLUMNS, _NUM_ROWS, _META = 4, 1, 3, 3
_CODEC, _NUM_VALUES, _STORED, _DATA, _DICTIONARY, _STATISTICS, _NULLS = 4, 5, 7, 9, 11, 12, 3
_NEEDED = (_CODEC, _NUM_VALUES, _STORED, _DATA)
_WANTED: Wanted = {
    _GROUPS: {
        _COLUMNS: {_META: dict.fromkeys((*_NEEDED, _DICTIONARY)) | {_STATISTICS: {_NULLS: None}}},
        _NUM_ROWS: None,
    }
}


class Chunk(NamedTuple):
    """A column of a row group.

    Attributes:
        codec: Number of its compression.
        num_values: Values, those in lists counted one by one.
        stored_bytes: What its pages take in the file.
        start: Where the first of them begins.
        num_nulls: Values that are missing; None where the file doesn't tell.
    """

    codec: int
    num_values: int
    stored_bytes: int
    start: int
    num_nulls: int | None


class Group(NamedTuple):
    """A row group.

    Attributes:
        num_rows: Its rows.
        chunks: Its columns, in the order of the schema's.
    """

    num_rows: int
    chunks: tuple[Chunk, ...]


def damaged(path: Path, seen: object) -> StorageError:
    """Returns the error that a Parquet file is damaged."""
    return StorageError(
        f"the Parquet file {path} is damaged",
        seen=str(seen).splitlines()[0],
        fix="Delete it and run the same command again, or download it again.",
    )


def row_groups(path: Path) -> tuple[Group, ...]:
    """Returns what the footer of a file says of its row groups.

    Raises:
        StorageError: If the file can't be read, or its footer is damaged.
    """
    with wrap_os_errors("read", path):
        found = path.stat()
        return _row_groups(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=8)
def _row_groups(path: Path, size: int, modified_ns: int) -> tuple[Group, ...]:
    del modified_ns  # only to tell one content from another
    try:
        with open_ranges(path) as file:
            fields = ThriftReader(_footer(path, file, size)).struct(_WANTED)
        return tuple(map(_group, fields.get(_GROUPS, ())))
    except (ThriftError, KeyError) as error:
        raise damaged(path, f"footer: {error}") from error


def _footer(path: Path, file: Ranges, size: int) -> bytes:
    length = int.from_bytes(file.read(max(0, size - END_BYTES), END_BYTES)[:4], "little")
    if length > min(MAX_FOOTER_BYTES, size):
        raise damaged(path, f"a footer of {length:,} bytes")
    return file.read(max(0, size - END_BYTES - length), length)


def _group(fields: Fields) -> Group:
    chunks = tuple(_chunk(column[_META]) for column in fields[_COLUMNS])
    return Group(_integer(fields[_NUM_ROWS]), chunks)


def _chunk(fields: Fields) -> Chunk:
    codec, num_values, stored, start = (_integer(fields[field]) for field in _NEEDED)
    dictionary = fields.get(_DICTIONARY)
    if isinstance(dictionary, int) and 0 < dictionary < start:
        start = dictionary
    nulls = fields.get(_STATISTICS, {}).get(_NULLS)
    return Chunk(codec, num_values, stored, start, nulls if isinstance(nulls, int) else None)


def _integer(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ThriftError(f"{value!r} is no count")
    return value
