"""The files of a corpus, and what their rows are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from palo import storage
from palo.corpus.parse.record_files import records_of
from palo.corpus.quarantine import QUARANTINE_SCHEMA
from palo.corpus.sources import offset_of
from palo.data.records import RECORD_SCHEMA, Record
from palo.data.samples import SAMPLE_SCHEMA, Sample
from palo.errors import DataError

Part = Literal["records", "samples", "quarantine"]

_SCHEMAS: dict[Part, pa.Schema] = {
    "samples": SAMPLE_SCHEMA,
    "quarantine": QUARANTINE_SCHEMA,
    "records": RECORD_SCHEMA,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """A row that a build left out.

    Attributes:
        step: The step that left it out.
        source: Name of its source.
        row_offset: Its offset in the source, from `Split.row_offset`.
        file: The source's file.
        offset: Its first byte there; of Parquet its number.
        language: ISO 639-1 code, or "unknown".
        reason: Why.
        detail: What was seen.
        text: The row as it was read, or the record in LLaVA's format.
    """

    step: str
    source: str
    row_offset: int
    file: str
    offset: int
    language: str
    reason: str
    detail: str
    text: str

    @property
    def name(self) -> str:
        """Its name, as `find` takes it."""
        return f"{self.source}@{self.row_offset}"

    def parsed(self) -> dict[str, Any] | None:
        """Returns the row's fields, or None where it is no JSON object."""
        try:
            row = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return row if isinstance(row, dict) else None


def files_of(corpus: Path, part: Part) -> list[Path]:
    """Returns the files of one part of a corpus in order; none where the part is missing.

    Args:
        corpus: Folder of the corpus.
        part: The part.
    """
    folder = corpus / part
    return sorted(folder.rglob("*.parquet")) if folder.is_dir() else []


def part_of(path: Path) -> Part:
    """Tells what a shard holds by its columns.

    Args:
        path: The file.

    Raises:
        DataError: If it is no shard of a corpus.
        StorageError: If it can't be read.
    """
    if not path.is_file():
        raise DataError(f"there is no shard {path}", fix="Name a .parquet file of a corpus.")
    with storage.open_parquet(path) as file:
        names = set(file.schema_arrow.names)
    for part, schema in _SCHEMAS.items():
        if names.issuperset(schema.names):
            return part
    raise DataError(
        f"{path} is no shard of a corpus",
        seen=", ".join(sorted(names)),
        fix="Name a file of its samples, records or quarantine folder.",
    )


def step_of(path: Path) -> str:
    """Returns the step that wrote a file of the quarantine: quarantine/<step>/<source>/<file>.

    Args:
        path: The file.
    """
    return path.parent.parent.name


def read_records(path: Path, filters: Sequence[Any] | None = None) -> Iterator[Record]:
    """Yields the records of a file, all or those that pass pyarrow's filters.

    Args:
        path: The file.
        filters: Filters of pyarrow; None for all rows.
    """
    table = storage.read_table(path, columns=RECORD_SCHEMA.names, filters=filters)
    return records_of(table)


def read_samples(path: Path, filters: Sequence[Any] | None = None) -> Iterator[Sample]:
    """Yields the samples of a file, all or those that pass pyarrow's filters.

    Args:
        path: The file.
        filters: Filters of pyarrow; None for all rows.
    """
    table = storage.read_table(path, columns=SAMPLE_SCHEMA.names, filters=filters)
    return (_sample_of(row) for row in _rows(table))


def _sample_of(row: Mapping[str, Any]) -> Sample:
    spans = [(span["start"], span["end"]) for span in row["label_spans"]]
    texts = {
        name: row[name] for name in ("sample_id", "record_id", "language", "source", "image_id")
    }
    return Sample(
        **texts,
        input_ids=np.asarray(row["input_ids"], np.int32),
        label_spans=np.asarray(spans, np.int32).reshape(-1, 2),
    )


def read_dropped(path: Path, filters: Sequence[Any] | None = None) -> Iterator[Dropped]:
    """Yields the rows of a file of the quarantine, all or those that pass pyarrow's filters.

    Args:
        path: The file.
        filters: Filters of pyarrow; None for all rows.
    """
    table = storage.read_table(path, columns=QUARANTINE_SCHEMA.names, filters=filters)
    first = int(path.stem)
    start = first - offset_of(first)  # all rows of a file come from one file of the source
    return (
        Dropped(step=step_of(path), row_offset=start + row["offset"], **row) for row in _rows(table)
    )


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yields rows one by one: a file may hold megabytes of text."""
    for batch in table.to_batches(max_chunksize=256):
        yield from batch.to_pylist()


class DropChoice(NamedTuple):
    """A choice of rows of the quarantine.

    Attributes:
        reasons: Their reasons; empty takes all.
        languages: Their languages; empty takes all.
    """

    reasons: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def rows(self, corpus: Path) -> Iterator[Dropped]:
        """Yields the wanted rows of a corpus in order.

        Args:
            corpus: Folder of the corpus.
        """
        pairs = (("reason", self.reasons), ("language", self.languages))
        filters = [(name, "in", list(values)) for name, values in pairs if values]
        for path in files_of(corpus, "quarantine"):
            yield from read_dropped(path, filters or None)
