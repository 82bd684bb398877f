"""Reading source files row by row in bounded memory, as bytes with their place in the file.

A file is read in pieces. A piece of JSON lines is a range of bytes, and owns the lines that begin
in it, so that many tasks read one file; a JSON array is one piece.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal, NamedTuple

from palo import storage
from palo.data.reasons import Reason, SourceFault
from palo.errors import DataError

PIECE_BYTES = 32 << 20
MAX_RECORD_BYTES = 64 << 20
_READ_BYTES = 1 << 20
_KEPT_BYTES = 4096
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SPACE = b" \t\r\n"
# A whole string, or one structural byte. Strings never give back what they took (possessive), so
# that a long one costs its length once. A lone quote is a string that goes on behind the buffer.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["{}\[\],]', re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a source file that one task reads.

    Attributes:
        path: The file.
        format: How it is written.
        start: First byte.
        end: Byte behind the last one.
        size_bytes: Size of the file when it was split.
        modified_ns: When it had been changed last, in nanoseconds since 1970.
    """

    path: Path
    format: Literal["json", "jsonl"]
    start: int
    end: int
    size_bytes: int
    modified_ns: int


class RawRow(NamedTuple):
    """What a source holds in one place.

    Attributes:
        offset: Its first byte in the file.
        data: Its bytes; the first few of a row that is too large.
        reason: Why it can't be a record, as far as its bytes tell.
    """

    offset: int
    data: bytes
    reason: Reason | None = None


def split_source(
    path: Path, form: Literal["auto", "json", "jsonl"] = "auto", piece_bytes: int = PIECE_BYTES
) -> list[Piece]:
    """Splits a source file into pieces that can be read apart.

    Args:
        path: The file.
        form: How it is written; auto looks at its first bytes.
        piece_bytes: Size of a piece of JSON lines.

    Raises:
        DataError: If the file is empty or neither JSON array nor JSON lines.
        StorageError: If it can't be read.
    """
    with storage.explained("read", path):
        stat = path.stat()
        with path.open("rb") as file:
            head = file.read(_READ_BYTES)
    found: Literal["json", "jsonl"] = _format(path, head) if form == "auto" else form
    _require_text(path, head)
    size = stat.st_size
    step = size if found == "json" else piece_bytes
    return [
        Piece(
            path=path,
            format=found,
            start=start,
            end=min(start + step, size),
            size_bytes=size,
            modified_ns=stat.st_mtime_ns,
        )
        for start in range(0, size, step)
    ]


def read_piece(piece: Piece) -> Iterator[RawRow]:
    """Reads the rows of a piece in order.

    Raises:
        DataError: If a JSON array is cut off, goes on behind its end, or holds too large a record;
            or if the file is not the one that was split.
        StorageError: If the file can't be read.
    """
    with storage.explained("read", piece.path), piece.path.open("rb") as file:
        _require_unchanged(piece)
        try:
            yield from (
                _ArrayReader(piece.path, file) if piece.format == "json" else _lines(piece, file)
            )
        except DataError:
            # A file that is being written looks cut off: tell the cause, not what follows from it.
            _require_unchanged(piece)
            raise
        _require_unchanged(piece)


def _require_unchanged(piece: Piece) -> None:
    stat = piece.path.stat()
    if (stat.st_size, stat.st_mtime_ns) != (piece.size_bytes, piece.modified_ns):
        raise _fault(
            SourceFault.CHANGED,
            f"{piece.path} had {piece.size_bytes:,} bytes, now it has {stat.st_size:,}"
            if stat.st_size != piece.size_bytes
            else f"{piece.path} was written to",
            fix="Wait until nothing writes to it, then run again.",
        )


def _require_text(path: Path, head: bytes) -> None:
    if head.startswith(_UTF16_BOMS):
        raise _fault(SourceFault.UTF16, path, fix="Convert it: iconv -f utf-16 -t utf-8.")
    if not head.removeprefix(_UTF8_BOM).strip(_SPACE):
        raise _fault(SourceFault.EMPTY, path, fix="Check the path, or download the file again.")


def _format(path: Path, head: bytes) -> Literal["json", "jsonl"]:
    _require_text(path, head)
    text = head.removeprefix(_UTF8_BOM).lstrip(_SPACE)
    if text.startswith(b"["):
        return "json"
    # One object over several lines, as pretty printers write it, is not a line of JSON lines.
    if text.startswith(b"{") and text.split(b"\n", 1)[0].strip() != b"{":
        return "jsonl"
    raise _fault(
        SourceFault.NOT_JSON,
        f"{path} begins with {text[:24]!r}",
        fix='A record looks like {"id": ..., "image": ..., "conversations": [...]}.',
    )


def _fault(fault: SourceFault, seen: object, fix: str) -> DataError:
    return DataError(fault.value, seen=seen, fix=fix)


def _lines(piece: Piece, file: BufferedReader) -> Iterator[RawRow]:
    offset = piece.start
    file.seek(offset)
    if offset > 0:
        # The line that this byte is in belongs to the piece before, unless it begins right here.
        file.seek(offset - 1)
        offset += _skip_line(file) - 1
    while offset < piece.end:
        line = file.readline(MAX_RECORD_BYTES)
        if not line:
            return
        size = len(line)
        too_large = size == MAX_RECORD_BYTES and not line.endswith(b"\n")
        if too_large:
            size += _skip_line(file)
        row = line[:_KEPT_BYTES] if too_large else line
        text = (row.removeprefix(_UTF8_BOM) if offset == 0 else row).strip(_SPACE)
        if text:
            yield RawRow(offset, text, Reason.TOO_LARGE if too_large else None)
        offset += size


def _skip_line(file: BufferedReader) -> int:
    """Reads to the end of a line; returns how many bytes that were."""
    size = 0
    while part := file.readline(_READ_BYTES):
        size += len(part)
        if part.endswith(b"\n"):
            break
    return size


class _ArrayReader:
    """Cuts a JSON array into its elements without decoding them.

    Args:
        path: The file, for messages.
        file: It, open for reading bytes.
    """

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self._path = path
        self._file = file
        self._buffer = bytearray()
        self._base = 0  # place in the file of the buffer's first byte

    def __iter__(self) -> Iterator[RawRow]:
        start = self._enter()
        scan, depth = start, 1
        while depth:
            token = _TOKEN.search(self._buffer, scan)
            if token is None or token.group() == b'"':
                scan = len(self._buffer) if token is None else token.start()
                start, scan = self._more(start, scan)
                continue
            scan = token.end()
            mark = token.group()
            depth += (mark in b"{[") - (mark in b"}]") if len(mark) == 1 else 0
            if depth == 0 or (depth == 1 and mark == b","):
                yield from self._element(start, token.start())
                start = scan
        self._leave(scan)

    def _enter(self) -> int:
        """Reads up to the array's opening bracket; returns the place behind it."""
        self._buffer += self._file.read(_READ_BYTES)
        text = bytes(self._buffer).removeprefix(_UTF8_BOM).lstrip(_SPACE)
        if not text.startswith(b"["):
            raise _fault(
                SourceFault.NOT_JSON,
                f"{self._path} begins with {text[:24]!r}",
                fix="Set format to jsonl if each line is a record.",
            )
        return len(self._buffer) - len(text) + 1

    def _more(self, start: int, scan: int) -> tuple[int, int]:
        """Forgets what was used and reads on; returns where start and scan are now."""
        if len(self._buffer) - start > MAX_RECORD_BYTES:
            raise _fault(
                SourceFault.HUGE_RECORD,
                f"{self._path}, the record at byte {self._base + start}",
                fix=f"Remove it; records may have {MAX_RECORD_BYTES >> 20} MiB.",
            )
        data = self._file.read(max(_READ_BYTES, len(self._buffer) - start))
        if not data:
            raise _fault(
                SourceFault.CUT_OFF,
                f"{self._path} ends within the record at byte {self._base + start}",
                fix="Download or write the file again.",
            )
        del self._buffer[:start]
        self._base += start
        self._buffer += data
        return 0, scan - start

    def _element(self, start: int, end: int) -> Iterator[RawRow]:
        raw = bytes(self._buffer[start:end])
        text = raw.lstrip(_SPACE)
        if text:
            yield RawRow(self._base + end - len(text), text.rstrip(_SPACE))

    def _leave(self, scan: int) -> None:
        rest = bytes(self._buffer[scan:]) + self._file.read(_READ_BYTES)
        if rest.strip(_SPACE):
            raise _fault(
                SourceFault.TRAILING,
                f"{self._path} at byte {self._base + scan}: {rest.strip(_SPACE)[:24]!r}",
                fix="Remove it, or set format to jsonl if each line is a record.",
            )
