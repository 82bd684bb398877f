"""Splits of sources: how a source is divided into them, and how the rows of one are read."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from palo import storage
from palo.corpus.sources import rows as byte_limits
from palo.corpus.sources.json_array import ArrayReader, SplitBoundary
from palo.corpus.sources.json_object import described, read_coco, whole_object
from palo.corpus.sources.opened import GZIP_SUFFIX, is_gzip, open_source, suffix_of
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
from palo.corpus.sources.table import TABLE_ENDINGS, read_table, require_columns
from palo.data.layouts import is_row
from palo.errors import DataError, StorageError
from palo.reasons import Reason, SourceFault

_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_PARQUET_MAGIC = b"PAR1"
_TEXT_ENDINGS = (".json", ".jsonl", ".ndjson", *TABLE_ENDINGS)
_ENDINGS = (*_TEXT_ENDINGS, ".parquet")
_GZIP_ENDINGS = tuple(f"{ending}{GZIP_SUFFIX}" for ending in _TEXT_ENDINGS)
_WHOLE = (1 << 43) - 1  # behind the end of every file, for those that one task reads
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
        path: A file; a folder, of which every .json, .jsonl, .csv, .tsv and .parquet file counts,
            .gz behind it or not, however deep; or a pattern like shards/*.jsonl. Names that begin
            with a dot or underscore don't count.

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
            files = _visible((f for f in path.rglob("*") if _is_named_so(f)), path)
    else:
        folder = path.parents[len(parts) - 1 - first]
        with storage.wrap_os_errors("read", folder):
            files = _visible(folder.glob("/".join(parts[first:])), folder)
    if not files:
        raise source_error(
            SourceFault.NO_FILES, path, fix=f"It must hold {', '.join(_ENDINGS)} files."
        )
    return files


def _is_named_so(path: Path) -> bool:
    return path.name.lower().endswith((*_ENDINGS, *_GZIP_ENDINGS))


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
        with open_source(path) as file:
            head = file.read(READ_BYTES)
    found, array_start = _format(path, head) if form == "auto" else (form, 0)
    if found == "parquet":
        ranges = row_ranges(path)
    elif found in ("table", "coco") or is_gzip(path):
        require_text(path, head)
        ranges = [(0, _WHOLE)]
    else:
        require_text(path, head)
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
            array_start=array_start,
        )
        for start, end in ranges
    ]


def require_text(path: Path, head: bytes) -> None:
    """Refuses a file that is UTF-16 or has nothing in it.

    Args:
        path: The file, for messages.
        head: Its first bytes.

    Raises:
        DataError: If it is one.
    """
    if head.startswith(_UTF16_BOMS):
        raise source_error(SourceFault.UTF16, path, fix="Convert it: iconv -f utf-16 -t utf-8.")
    if not head.removeprefix(UTF8_BOM).strip(SPACE):
        raise source_error(
            SourceFault.EMPTY, path, fix="Check the path, or download the file again."
        )


def _format(path: Path, head: bytes) -> tuple[Format, int]:
    """Returns how a file is written, and where its array begins if an object is around it."""
    if head.startswith(_PARQUET_MAGIC):
        return "parquet", 0
    require_text(path, head)
    text = head.removeprefix(UTF8_BOM).lstrip(SPACE)
    if text.startswith(b"["):
        return ("jsonl" if _are_lines(text) else "json"), 0
    if text.startswith(b"{"):
        return _format_of_objects(path, text)
    if suffix_of(path) in TABLE_ENDINGS:
        require_columns(path, head)
        return "table", 0
    raise source_error(
        SourceFault.NOT_JSON,
        f"{path} begins with {text[:24]!r}",
        fix='A record looks like {"id": ..., "image": ..., "conversations": [...]}.',
    )


def _are_lines(text: bytes) -> bool:
    """Returns whether each line is a list: a conversation without anything else."""
    first, _, rest = text.partition(b"\n")
    return first.rstrip(SPACE).endswith(b"]") and rest.lstrip(SPACE).startswith(b"[")


def _format_of_objects(path: Path, text: bytes) -> tuple[Format, int]:
    lines = text.split(b"\n", 2)
    if len(lines) > 1 and lines[1].startswith(b"{") and lines[0].rstrip(SPACE).endswith(b"}"):
        return "jsonl", 0
    with open_source(path) as file:
        found = whole_object(file)
    if found is None:
        # One object over several lines, as pretty printers write it, is no line of JSON lines.
        if lines[0].strip() != b"{":
            return "jsonl", 0
        seen = f"{path} begins with {text[:24]!r}"
    elif found.is_coco and not is_row(found.members):
        return "coco", 0
    elif found.rows is not None and not is_row(found.members):
        return "json", found.rows
    elif lines[0].strip() != b"{":
        return "jsonl", 0
    else:
        seen = described(path, found)
    raise source_error(
        SourceFault.NOT_JSON,
        seen,
        fix='Rows are a list, [{...}, {...}] or {"data": [...]}, or one a line.',
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
                elif split.format in ("table", "coco"):
                    with open_source(split.path) as file:
                        is_table = split.format == "table"
                        yield from read_table(split.path, file) if is_table else read_coco(file)
                else:
                    yield from self._read_text()
            except (DataError, StorageError):
                # A file that is being written looks cut off: report the cause, not its effect.
                _require_unchanged(split)
                raise
            _require_unchanged(split)

    def _read_text(self) -> Iterator[RawRow]:
        with open_source(self._split.path) as file:
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
