"""JSON lines: a piece owns the lines that begin in it."""

from collections.abc import Iterator
from typing import BinaryIO

from palo.corpus.sources import rows as pieces
from palo.corpus.sources.decoding import fast_object
from palo.corpus.sources.rows import SPACE, UTF8_BOM, RawRow, Split
from palo.reasons import Reason


def read_lines(piece: Split, file: BinaryIO) -> Iterator[RawRow]:
    """Reads the lines of a piece; blank ones are no rows.

    Args:
        piece: What to read.
        file: Its file, open for reading bytes.
    """
    offset = piece.start
    file.seek(offset)
    if offset > 0:
        # The line that this byte is in belongs to the piece before, unless it begins right here.
        file.seek(offset - 1)
        offset += _skip_line(file) - 1
    while offset < piece.end:
        line = file.readline(pieces.MAX_RECORD_BYTES)
        if not line:
            return
        size = len(line)
        too_large = size == pieces.MAX_RECORD_BYTES and not line.endswith(b"\n")
        if too_large:
            size += _skip_line(file)
        row = line[: pieces.KEPT_BYTES] if too_large else line
        text = (row.removeprefix(UTF8_BOM) if offset == 0 else row).strip(SPACE)
        if too_large:
            yield RawRow(offset, text, Reason.TOO_LARGE)
        elif text:
            yield RawRow(offset, text, value=fast_object(text))
        offset += size


def _skip_line(file: BinaryIO) -> int:
    """Reads to the end of a line; returns how many bytes that were."""
    size = 0
    while part := file.readline(pieces.READ_BYTES):
        size += len(part)
        if part.endswith(b"\n"):
            break
    return size
