"""Splits of sources: how a source is divided into them, and how the rows of one are read."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from palo import storage
from palo.corpus.sources import rows as byte_limits
from palo.corpus.sources.json_array import ArrayReader, SplitBoundary
from palo.corpus.sources.parquet import read_rows, row_ranges
from palo.corpus.sources.rows import (
    READ_BYTES,
    SPACE,
    SPLIT_BYTES,
    UTF8_BOM,
    Format,
    RawRow,
    Split,
    fast_object,
    source_error,
)
from palo.errors import DataError, StorageError
from palo.reasons import Reason, SourceFault

_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_PARQUET_MAGIC = b"PAR1"
_ENDINGS = (".json", ".jsonl", ".parquet")
_WILDCARD = re.compile(r"[*\[]")


def split_source(
    path: Path, form: Literal["auto"] | Format = "auto", split_bytes: int = SPLIT_BYTES
) -> list[Split]:
    """Divides a source into splits that can be read in parallel.

    Args:
        path: A file; or a folder of files or a pattern that names some, see `source_files`.
        form: How they are written; auto looks at the first bytes of each.
        split_bytes: Size of a split of JSON. A split of Parquet is a row group.

    Returns:
        The splits in the order of files and rows.

    Raises:
        DataError: If a file is empty, or is neither a JSON array, JSON lines nor Parquet.
        StorageError: If one can't be read.
    """
    files = source_files(path)
    return [
        split
        for number, file in enumerate(files)
        for split in _split_file(file, number, form, split_bytes)
    ]


def source_files(path: Path) -> list[Path]:
    """Returns the files of a source, sorted by path.

    Args:
        path: A file; a folder, of which every .json, .jsonl and .parquet file counts, however deep;
            or a pattern like shards/*.jsonl. Names that begin with a dot or underscore don't count.

    Raises:
        DataError: If there is none in the folder, or the pattern names none.
        StorageError: If the folder can't be read.
    """
    parts = path.parts
    first = next((n for n, part in enumerate(parts) if _WILDCARD.search(part)), None)
    if first is None or path.exists():
        with storage.wrap_os_errors("read", path):
            if not path.is_dir():
                return [path]
            files = _visible((f for f in path.rglob("*") if f.suffix in _ENDINGS), path)
    else:
        folder = path.parents[len(parts) - 1 - first]
        with storage.wrap_os_errors("read", folder):
            files = _visible(folder.glob("/".join(parts[first:])), folder)
    if not files:
        raise source_error(
            SourceFault.NO_FILES, path, fix=f"It must hold {', '.join(_ENDINGS)} files."
        )
    return files


def _visible(found: Iterable[Path], root: Path) -> list[Path]:
    hidden = ("/.", "/_")
    names = {f"/{file.relative_to(root)}": file for file in found}
    shown = [names[name] for name in sorted(names) if not any(mark in name for mark in hidden)]
    return [file for file in shown if file.is_file()]


def _split_file(
    path: Path, number: int, form: Literal["auto"] | Format, split_bytes: int
) -> list[Split]:
    with storage.wrap_os_errors("read", path):
        stat = path.stat()
        with path.open("rb") as file:
            head = file.read(READ_BYTES)
    found: Format = _format(path, head) if form == "auto" else form
    if found == "parquet":
        ranges = row_ranges(path)
    else:
        _require_text(path, head)
        starts = range(0, stat.st_size, split_bytes)
        ranges = [(start, min(start + split_bytes, stat.st_size)) for start in starts]
    return [
        Split(
            path=path,
            format=found,
            start=start,
            end=end,
            size_bytes=stat.st_size,
            modified_ns=stat.st_mtime_ns,
            file_number=number,
        )
        for start, end in ranges
    ]


def _require_text(path: Path, head: bytes) -> None:
    if head.startswith(_UTF16_BOMS):
        raise source_error(SourceFault.UTF16, path, fix="Convert it: iconv -f utf-16 -t utf-8.")
    if not head.removeprefix(UTF8_BOM).strip(SPACE):
        raise source_error(
            SourceFault.EMPTY, path, fix="Check the path, or download the file again."
        )


def _format(path: Path, head: bytes) -> Format:
    if head.startswith(_PARQUET_MAGIC):
        return "parquet"
    _require_text(path, head)
    text = head.removeprefix(UTF8_BOM).lstrip(SPACE)
    if text.startswith(b"["):
        return "json"
    # One object over several lines, as pretty printers write it, is not a line of JSON lines.
    if text.startswith(b"{") and text.split(b"\n", 1)[0].strip() != b"{":
        return "jsonl"
    raise source_error(
        SourceFault.NOT_JSON,
        f"{path} begins with {text[:24]!r}",
        fix='A record looks like {"id": ..., "image": ..., "conversations": [...]}.',
    )


class SplitReader:
    """An iterator over the rows of a split, in order.

    Args:
        split: What to read.

    Attributes:
        boundary: After the last row, where the rows of a split of a JSON array begin and end.

    Raises:
        DataError: If a JSON array is cut off or has data behind its end, or if the file changed
            since it was split.
        StorageError: If the file can't be read.
    """

    def __init__(self, split: Split) -> None:
        self.boundary = SplitBoundary()
        self._split = split
        self._rows = self._read()

    def __iter__(self) -> Iterator[RawRow]:
        return self

    def __next__(self) -> RawRow:
        return next(self._rows)

    def _read(self) -> Iterator[RawRow]:
        split = self._split
        with storage.wrap_os_errors("read", split.path):
            _require_unchanged(split)
            try:
                if split.format == "parquet":
                    yield from read_rows(split)
                else:
                    yield from self._read_text()
            except (DataError, StorageError):
                # A file that is being written looks cut off: report the cause, not its effect.
                _require_unchanged(split)
                raise
            _require_unchanged(split)

    def _read_text(self) -> Iterator[RawRow]:
        with self._split.path.open("rb") as file:
            if self._split.format == "jsonl":
                yield from read_lines(self._split, file)
                return
            reader = ArrayReader(self._split, file)
            yield from reader
            self.boundary = reader.boundary


def read_split(split: Split) -> SplitReader:
    """Reads the rows of a split in order.

    Args:
        split: What to read.

    Returns:
        An iterator over its rows.
    """
    return SplitReader(split)


def _require_unchanged(split: Split) -> None:
    stat = split.path.stat()
    if (stat.st_size, stat.st_mtime_ns) != (split.size_bytes, split.modified_ns):
        raise source_error(
            SourceFault.CHANGED,
            f"{split.path} had {split.size_bytes:,} bytes, now it has {stat.st_size:,}"
            if stat.st_size != split.size_bytes
            else f"{split.path} was written to",
            fix="Wait until nothing writes to it, then run again.",
        )


def read_lines(split: Split, file: BinaryIO) -> Iterator[RawRow]:
    """Reads the lines of a split; blank ones are no rows.

    Args:
        split: What to read.
        file: Its file, open for reading bytes.
    """
    offset = split.start
    file.seek(offset)
    if offset > 0:
        # The line that this byte is in belongs to the split before, unless it begins right here.
        file.seek(offset - 1)
        offset += _skip_line(file) - 1
    while offset < split.end:
        line = file.readline(byte_limits.MAX_RECORD_BYTES)
        if not line:
            return
        size = len(line)
        too_large = size == byte_limits.MAX_RECORD_BYTES and not line.endswith(b"\n")
        if too_large:
            size += _skip_line(file)
        row = line[: byte_limits.KEPT_BYTES] if too_large else line
        text = (row.removeprefix(UTF8_BOM) if offset == 0 else row).strip(SPACE)
        if too_large:
            yield RawRow(offset, text, Reason.TOO_LARGE)
        elif text:
            yield RawRow(offset, text, value=fast_object(text))
        offset += size


def _skip_line(file: BinaryIO) -> int:
    """Reads to the end of a line; returns the number of bytes."""
    size = 0
    while part := file.readline(byte_limits.READ_BYTES):
        size += len(part)
        if part.endswith(b"\n"):
            break
    return size
