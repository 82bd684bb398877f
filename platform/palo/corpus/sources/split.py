"""Splits a source into pieces that can be read apart."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from palo import storage
from palo.corpus.sources.parquet import row_ranges
from palo.corpus.sources.rows import (
    PIECE_BYTES,
    READ_BYTES,
    SPACE,
    UTF8_BOM,
    Format,
    Split,
    source_error,
)
from palo.reasons import SourceFault

_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_PARQUET_MAGIC = b"PAR1"
_ENDINGS = (".json", ".jsonl", ".parquet")
_WILDCARD = re.compile(r"[*\[]")


def split_source(
    path: Path, form: Literal["auto"] | Format = "auto", piece_bytes: int = PIECE_BYTES
) -> list[Split]:
    """Splits a source into pieces that can be read apart.

    Args:
        path: A file; or a folder of files or a pattern that names some, see `source_files`.
        form: How they are written; auto looks at the first bytes of each.
        piece_bytes: Size of a piece of JSON. A piece of Parquet is a row group.

    Returns:
        The pieces in the order of files and rows.

    Raises:
        DataError: If a file is empty, or is neither a JSON array, JSON lines nor Parquet.
        StorageError: If one can't be read.
    """
    files = source_files(path)
    return [
        piece
        for number, file in enumerate(files)
        for piece in _split_file(file, number, form, piece_bytes)
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
    path: Path, number: int, form: Literal["auto"] | Format, piece_bytes: int
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
        starts = range(0, stat.st_size, piece_bytes)
        ranges = [(start, min(start + piece_bytes, stat.st_size)) for start in starts]
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
