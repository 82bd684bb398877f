"""Reads the rows of a piece, whatever its format."""

from collections.abc import Iterator

from palo import storage
from palo.corpus.sources.json_array import ArrayReader
from palo.corpus.sources.json_lines import read_lines
from palo.corpus.sources.parquet import read_rows
from palo.corpus.sources.rows import RawRow, Split, source_error
from palo.corpus.sources.split_boundary import SplitBoundary
from palo.errors import DataError, StorageError
from palo.reasons import SourceFault


class SplitReader:
    """Reads the rows of a piece in their order, once.

    Args:
        piece: What to read.

    Attributes:
        handover: After the last row, how a piece of a JSON array fits to its neighbours.

    Raises:
        DataError: If a JSON array is cut off or goes on behind its end, or if the file is not the
            one that was split.
        StorageError: If the file can't be read.
    """

    def __init__(self, piece: Split) -> None:
        self.handover = SplitBoundary()
        self._piece = piece
        self._rows = self._read()

    def __iter__(self) -> Iterator[RawRow]:
        return self

    def __next__(self) -> RawRow:
        return next(self._rows)

    def _read(self) -> Iterator[RawRow]:
        piece = self._piece
        with storage.wrap_os_errors("read", piece.path):
            _require_unchanged(piece)
            try:
                if piece.format == "parquet":
                    yield from read_rows(piece)
                else:
                    yield from self._read_text()
            except (DataError, StorageError):
                # A file that is being written looks cut off: tell the cause, not what follows.
                _require_unchanged(piece)
                raise
            _require_unchanged(piece)

    def _read_text(self) -> Iterator[RawRow]:
        with self._piece.path.open("rb") as file:
            if self._piece.format == "jsonl":
                yield from read_lines(self._piece, file)
                return
            reader = ArrayReader(self._piece, file)
            yield from reader
            self.handover = reader.handover


def read_split(piece: Split) -> SplitReader:
    """Reads the rows of a piece in order; see `SplitReader`."""
    return SplitReader(piece)


def _require_unchanged(piece: Split) -> None:
    stat = piece.path.stat()
    if (stat.st_size, stat.st_mtime_ns) != (piece.size_bytes, piece.modified_ns):
        raise source_error(
            SourceFault.CHANGED,
            f"{piece.path} had {piece.size_bytes:,} bytes, now it has {stat.st_size:,}"
            if stat.st_size != piece.size_bytes
            else f"{piece.path} was written to",
            fix="Wait until nothing writes to it, then run again.",
        )
