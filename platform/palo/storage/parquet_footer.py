"""The footer of a Parquet file, and Thrift's compact protocol as far as it is needed for it.

pyarrow isn't used for this: its view of a column ends the process where a footer is damaged.

Source:
    Apache Parquet, parquet.thrift; Apache Thrift, doc/specs/thrift-compact-protocol.md.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from palo.errors import StorageError
from palo.storage.paths import wrap_os_errors
from palo.storage.ranges import Ranges, open_ranges

Wanted: TypeAlias = Mapping[int, Any]
"""Fields to keep: None for a number, fields of its own for a struct or a list of structs."""
Fields: TypeAlias = dict[int, Any]

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_MAX_DEPTH = 16
_MAX_DIGITS = 10  # groups of 7 bits in 64
_NOTHING: Wanted = {}
MAX_FOOTER_BYTES = 64 << 20
END_BYTES = 8
"""What follows the footer: its size and the magic bytes."""
_GROUPS, _COLUMNS, _NUM_ROWS, _META = 4, 1, 3, 3
_CODEC, _NUM_VALUES, _STORED, _DATA, _DICTIONARY, _STATISTICS, _NULLS = 4, 5, 7, 9, 11, 12, 3
_NEEDED = (_CODEC, _NUM_VALUES, _STORED, _DATA)
_WANTED: Wanted = {
    _GROUPS: {
        _COLUMNS: {_META: dict.fromkeys((*_NEEDED, _DICTIONARY)) | {_STATISTICS: {_NULLS: None}}},
        _NUM_ROWS: None,
    }
}


class ThriftError(Exception):
    """The bytes are no such struct."""


class CutOffError(ThriftError):
    """The bytes end before the struct does."""


class ThriftReader:
    """Reads structs and keeps the wanted fields.

    Args:
        data: The bytes.

    Attributes:
        position: Offset of the next byte.
    """

    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data

    def struct(self, wanted: Wanted, depth: int = 0) -> Fields:
        """Reads a struct.

        Args:
            wanted: The fields to keep.
            depth: How many structs enclose it.

        Returns:
            The wanted fields that it has, by their numbers.

        Raises:
            ThriftError: If the bytes are no struct.
        """
        if depth > _MAX_DEPTH:
            raise ThriftError("nested too deeply")
        fields: Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            value = self._value(head & 0xF, wanted.get(number) or _NOTHING, depth)
            if number in wanted:
                fields[number] = value
        return fields

    def _value(self, kind: int, wanted: Wanted, depth: int) -> Any:  # noqa: ANN401
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind in _INTEGERS:
            return self._signed()
        if kind == _STRUCT:
            return self.struct(wanted, depth + 1)
        if kind == _DOUBLE:
            return self._skip(8)
        if kind == _BINARY:
            return self._skip(self._unsigned())
        if kind in _LISTS:
            return self._list(wanted, depth + 1)
        raise ThriftError(f"type {kind}")

    def _list(self, wanted: Wanted, depth: int) -> list[Any]:
        if depth > _MAX_DEPTH:
            raise ThriftError("nested too deeply")
        head = self._byte()
        kind, count = head & 0xF, head >> 4
        if count == 15:
            count = self._unsigned()
        values = []
        for _ in range(count):
            in_byte = kind in (_TRUE, _FALSE)  # in a list these take a byte each
            value = self._byte() if in_byte else self._value(kind, wanted, depth)
            if wanted:
                if not value:  # a byte may be as good as a list of a million of them
                    raise ThriftError("an empty struct")
                values.append(value)
        return values

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise CutOffError("cut off")
        self.position += 1
        return self._data[self.position - 1]

    def _skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self._data):
            raise CutOffError("cut off")

    def _unsigned(self) -> int:
        number = 0
        for digit in range(_MAX_DIGITS):
            byte = self._byte()
            number |= (byte & 0x7F) << 7 * digit
            if byte < 0x80:
                return number
        raise ThriftError("a number that is too long")

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


class Chunk(NamedTuple):
    """A column of a row group.

    Attributes:
        codec: Number of its compression.
        num_values: Values, those in lists counted one by one.
        stored_bytes: Size of its pages in the file.
        start: Offset of the first of them.
        num_nulls: Missing values; None if the file doesn't say.
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
    """Returns the error for a damaged Parquet file.

    Args:
        path: The file.
        seen: What is wrong with it.
    """
    return StorageError(
        f"the Parquet file {path} is damaged",
        seen=str(seen).splitlines()[0],
        fix="Delete it and run the same command again, or download it again.",
    )


def row_groups(path: Path) -> tuple[Group, ...]:
    """Returns the row groups that a file's footer describes.

    Args:
        path: The file.

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
