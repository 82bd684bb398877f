"""Finding one row of a corpus by its name, wherever the build left it."""

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from palo import storage
from palo.corpus.report.shards import (
    Dropped,
    files_of,
    read_dropped,
    read_records,
    read_samples,
)
from palo.corpus.sources import offset_of
from palo.data.records import Record
from palo.data.samples import Sample
from palo.errors import DataError

_NAME = re.compile(r"(?P<source>[^/@]+)(?:/.*)?@(?P<row_offset>\d+)(?:/\d+)?", re.DOTALL)
_MOST_COMPARED = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The results of one row.

    Attributes:
        source: Name of its source.
        row_offset: Its offset in the source, from `Split.row_offset`.
        record: The record that was made of it, if it came so far.
        samples: The samples that were made of that.
        dropped: Where and why it was left out, if it was.
    """

    source: str
    row_offset: int
    record: Record | None
    samples: tuple[Sample, ...]
    dropped: tuple[Dropped, ...]


def find(corpus: Path, name: str) -> Found:
    """Finds a row.

    Args:
        corpus: Folder of the corpus.
        name: A record's or a sample's id, `source@row_offset`, or the id that the row has in its
            source, of which the first row counts.

    Raises:
        DataError: If the corpus has no such row; the message names one that is near.
    """
    match = _NAME.fullmatch(name)
    row = (match["source"], int(match["row_offset"])) if match else None
    if row is None or not _has_source(corpus, row[0]):
        row = next(_rows_named(corpus, name), None)
    found = None if row is None else find_at(corpus, *row)
    if found is None or not (found.record or found.dropped):
        near = _nearest(corpus, name)
        raise DataError(
            f"{corpus} has no row of this name",
            seen=repr(name),
            fix=f"Did you mean {near}?" if near else "It has no row at all.",
        )
    return found


def find_at(corpus: Path, source: str, row_offset: int) -> Found:
    """Returns what became of the row at an offset of a source; perhaps nothing.

    Args:
        corpus: Folder of the corpus.
        source: Name of the source.
        row_offset: Offset of the row in the source.
    """
    record: Record | None = None
    samples: list[Sample] = []
    path = _file_at(corpus / "records" / source, row_offset)
    if path is not None:
        record = next(read_records(path, [("row_offset", "=", row_offset)]), None)
        of_same_name = corpus / "samples" / source / path.name
        if record is not None and of_same_name.is_file():
            samples += read_samples(of_same_name, [("record_id", "=", record.record_id)])
    dropped: list[Dropped] = []
    for folder in _quarantine_folders(corpus, source):
        if (path := _file_at(folder, row_offset)) is not None:
            rows = read_dropped(path, [("offset", "=", offset_of(row_offset))])
            dropped += [row for row in rows if row.row_offset == row_offset]
    return Found(
        source=source,
        row_offset=row_offset,
        record=record,
        samples=tuple(samples),
        dropped=tuple(dropped),
    )


def _file_at(folder: Path, row_offset: int) -> Path | None:
    """Returns the file that a row is in if it is in any: files are named after their first row."""
    paths = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    position = bisect_right([int(path.stem) for path in paths], row_offset)
    return paths[position - 1] if position else None


def _quarantine_folders(corpus: Path, source: str) -> list[Path]:
    steps = corpus / "quarantine"
    return sorted(step / source for step in steps.iterdir()) if steps.is_dir() else []


def _has_source(corpus: Path, source: str) -> bool:
    folders = (corpus / "records" / source, *_quarantine_folders(corpus, source))
    return any(folder.is_dir() for folder in folders)


def _rows_named(corpus: Path, own_id: str) -> Iterator[tuple[str, int]]:
    """Yields where rows of this id begin: first of the records, then of what was left out."""
    for path in files_of(corpus, "records"):
        source = path.parent.name
        table = storage.read_table(path, columns=["record_id", "row_offset"])
        fits = pc.starts_with(table.column("record_id"), f"{source}/{own_id}@")
        for row_offset in table.filter(fits).column("row_offset").to_pylist():
            yield source, row_offset
    for path in files_of(corpus, "quarantine"):
        for row in read_dropped(path):
            if str((row.parsed() or {}).get("id")) == own_id:
                yield row.source, row.row_offset


def _nearest(corpus: Path, name: str) -> str | None:
    names: list[str] = []
    for path in files_of(corpus, "records"):
        names += storage.read_table(path, columns=["record_id"]).column(0).to_pylist()
        if len(names) > _MOST_COMPARED:
            break
    for path in () if names else files_of(corpus, "quarantine"):
        names += [row.name for row in read_dropped(path)]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    return near[0] if near else None
