"""A part of a source that one task reads, and the rows in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from palo.errors import DataError
from palo.reasons import Reason, SourceFault

PIECE_BYTES = 32 << 20
MAX_RECORD_BYTES = 64 << 20
READ_BYTES = 1 << 20
KEPT_BYTES = 4096
UTF8_BOM = b"\xef\xbb\xbf"
_OFFSET_BITS = 44  # files of up to 16 TiB
SPACE = b" \t\r\n"

Format = Literal["json", "jsonl", "parquet"]


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
        file_number: Place of the file in a source of several.
        first: Where the first row of a JSON array begins that the piece owns, as the pieces before
            say; None to look for it.
        proven: Whether all of those began in the right place, so that what looks broken is.
    """

    path: Path
    format: Format
    start: int
    end: int
    size_bytes: int
    modified_ns: int
    file_number: int = 0
    first: int | None = None
    proven: bool = False

    def place_of(self, offset: int) -> int:
        """Returns a number for a row's offset in the file that is unique in the whole source.

        It sorts as the rows do, and is the offset itself in a source of one file.
        """
        return (self.file_number << _OFFSET_BITS) + offset


def offset_of(place: int) -> int:
    """Returns a row's offset in its file, from what `Split.place_of` gave."""
    return place & ((1 << _OFFSET_BITS) - 1)


def file_number_of(place: int) -> int:
    """Returns the number of a row's file in its source, from what `Split.place_of` gave."""
    return place >> _OFFSET_BITS


class RawRow(NamedTuple):
    """What a source holds in one place.

    Attributes:
        offset: Its first byte in the file; of Parquet its number.
        data: Its bytes as JSON; the first few of a row that is too large.
        reason: Why it can't be a record, as far as its bytes tell.
        value: What its JSON says, where the reader has decoded an object already.
    """

    offset: int
    data: bytes
    reason: Reason | None = None
    value: dict[str, Any] | None = None


def source_error(fault: SourceFault, seen: object, fix: str) -> DataError:
    """Returns the error that a source can't be used as a whole."""
    return DataError(fault.value, seen=seen, fix=fix)
