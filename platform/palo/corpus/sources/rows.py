"""Splits of source files, their raw rows, and the offsets that name a row in its source.

A row offset is a row's offset in its file with the file's number in the high bits: unique in the
whole source, in the order of its rows, and the plain offset in a source of one file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from palo.errors import DataError
from palo.reasons import Reason, SourceFault

SPLIT_BYTES = 32 << 20
MAX_RECORD_BYTES = 64 << 20
READ_BYTES = 1 << 20
KEPT_BYTES = 4096
UTF8_BOM = b"\xef\xbb\xbf"
_OFFSET_BITS = 44  # files of up to 16 TiB
SPACE = b" \t\r\n"

Format = Literal["json", "jsonl", "parquet", "table", "coco"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A part of a source file that one task reads: the rows that begin in it.

    Attributes:
        path: The file.
        format: How it is written.
        start: First byte; of Parquet the first row.
        end: Byte, or row, behind the last one.
        size_bytes: Size of the file when it was split.
        modified_ns: When it had been changed last, in nanoseconds since 1970.
        file_number: Index of the file in a source of several.
        first: Offset of the first row of a JSON array that the split owns, as found by the splits
            before it; None to search for it.
        array_start: Where the array begins, if an object is around it.
        proven: Whether all splits before it began at a row, so that a fault is the file's own.
    """

    path: Path
    format: Format
    start: int
    end: int
    size_bytes: int
    modified_ns: int
    file_number: int = 0
    first: int | None = None
    array_start: int = 0
    proven: bool = False

    def row_offset(self, offset: int) -> int:
        """Returns a row's offset in the whole source.

        Args:
            offset: Its offset in the file: a byte, of Parquet a row number.
        """
        return (self.file_number << _OFFSET_BITS) + offset


def offset_of(row_offset: int) -> int:
    """Returns a row's offset in its file.

    Args:
        row_offset: From `Split.row_offset`.
    """
    return row_offset & ((1 << _OFFSET_BITS) - 1)


def file_number_of(row_offset: int) -> int:
    """Returns the index of a row's file in its source.

    Args:
        row_offset: From `Split.row_offset`.
    """
    return row_offset >> _OFFSET_BITS


class RawRow(NamedTuple):
    """One row of a source, before it is checked.

    Attributes:
        offset: Its first byte in the file; of Parquet its number.
        data: Its bytes as JSON; the first few of a row that is too large.
        reason: Why its bytes can't be a record; None if they may be one.
        value: The decoded JSON object; None if the reader hasn't decoded it.
    """

    offset: int
    data: bytes
    reason: Reason | None = None
    value: dict[str, Any] | None = None


def source_error(fault: SourceFault, seen: object, fix: str) -> DataError:
    """Returns the error for a source that can't be used as a whole.

    Args:
        fault: What is wrong with it.
        seen: Evidence, such as its path and first bytes.
        fix: What to do about it.
    """
    return DataError(fault.value, seen=seen, fix=fix)


def fast_object(data: bytes) -> dict[str, Any] | None:
    """Decodes one JSON object, where orjson gives what Python's own decoder gives.

    Args:
        data: The object's bytes.

    Returns:
        The object; None if there is none or Python's decoder might read it differently. None is no
        fault: json.loads accepts more (NaN, lone surrogates, deep nesting, long numbers) and
        reports what is wrong.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    # It makes a float of an integer beyond 64 bits.
    if not isinstance(value, dict) or isinstance(value.get("id"), float):
        return None
    return value
