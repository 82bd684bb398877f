"""Thrift's compact protocol as far as the metadata of Parquet files need it.

Source:
    Apache Thrift, doc/specs/thrift-compact-protocol.md.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

Wanted: TypeAlias = Mapping[int, Any]
"""Fields to keep: None for a number, fields of its own for a struct or a list of structs."""
Fields: TypeAlias = dict[int, Any]

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_MAX_DEPTH = 16
_MAX_DIGITS = 10  # groups of 7 bits in 64
_NOTHING: Wanted = {}


class ThriftError(Exception):
    """Bytes are no such struct."""


class CutOffError(ThriftError):
    """The struct goes on behind the bytes."""


class ThriftReader:
    """Reads structs, of which it keeps what is wanted.

    Args:
        data: The bytes.

    Attributes:
        position: Place of the next byte.
    """

    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data

    def struct(self, wanted: Wanted, depth: int = 0) -> Fields:
        """Reads a struct.

        Args:
            wanted: The fields to keep.
            depth: In how many others it lies.

        Returns:
            Those of them that it has, by their numbers.

        Raises:
            ThriftError: If there is none.
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
