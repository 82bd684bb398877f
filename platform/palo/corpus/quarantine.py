"""The quarantine: dropped rows with their reasons and offsets, so that people can repair them.

Also the buffer through which tasks write rows: file names depend on the rows alone, never on the
worker that wrote them or the number of tries.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa

from palo import storage
from palo.corpus.sources import offset_of
from palo.corpus.sources.opened import suffix_of
from palo.corpus.stages import StepName
from palo.reasons import Reason

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)

_UNITS = {".parquet": "row", ".csv": "line", ".tsv": "line"}

R = TypeVar("R")

_ROWS_PER_FILE = 4096
_BYTES_PER_FILE = 64 << 20


def _bad_rows(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=QUARANTINE_SCHEMA)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file of a source.

    Attributes:
        name: Name of the source.
        path: The file.
    """

    name: str
    path: Path


class RowFiles(Generic[R]):
    """Writes rows to files of bounded size, each named after its first row's offset.

    Args:
        corpus: Folder of the corpus.
        folder: Where the files go, as a path in the corpus.
        to_table: Makes a table of rows.

    Attributes:
        names: The files that were written, as paths in the corpus.
    """

    def __init__(
        self, corpus: Path, folder: str, to_table: Callable[[Sequence[R]], pa.Table]
    ) -> None:
        self.names: list[str] = []
        self._corpus = corpus
        self._folder = folder
        self._to_table = to_table
        self._rows: list[R] = []
        self._first = self._num_bytes = 0

    def add(self, row_offset: int, row: R, num_bytes: int) -> bool:
        """Adds a row.

        Args:
            row_offset: Its offset in the source, from `Split.row_offset`.
            row: The row.
            num_bytes: Its approximate size in memory.

        Returns:
            Whether the row ended a file.
        """
        if not self._rows:
            self._first = row_offset
        self._rows.append(row)
        self._num_bytes += num_bytes
        is_full = len(self._rows) >= _ROWS_PER_FILE or self._num_bytes >= _BYTES_PER_FILE
        if is_full:
            self.flush()
        return is_full

    def flush(self) -> None:
        """Writes the rows that are left."""
        if not self._rows:
            return
        name = f"{self._folder}/{self._first:018d}.parquet"
        storage.write_table(self._corpus / name, self._to_table(self._rows))
        self.names.append(name)
        self._rows, self._num_bytes = [], 0


class Quarantine:
    """Keeps and counts the rows of one source that one task drops.

    Args:
        corpus: Folder of the corpus.
        step: Name of the step.
        source: The source.

    Attributes:
        counts: Number of rows, by reason and language.
        example: The first row, in words.
    """

    def __init__(self, corpus: Path, step: StepName, source: SourceFile) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.example = ""
        self._files = RowFiles(corpus, f"quarantine/{step}/{source.name}", _bad_rows)
        self._source = source

    @property
    def names(self) -> list[str]:
        """The files that were written, as paths in the corpus."""
        return self._files.names

    def add(self, row_offset: int, reason: Reason, detail: str, language: str, text: str) -> None:
        """Adds a dropped row.

        Args:
            row_offset: Its offset in the source, from `Split.row_offset`.
            reason: Why.
            detail: What was seen.
            language: Its language where it is known, else "unknown".
            text: The row, as a person can repair it.
        """
        offset = offset_of(row_offset)
        self.counts[reason.value][language] += 1
        if not self.example:
            seen = f"{reason.value} ({detail})" if detail else reason.value
            unit = _UNITS.get(suffix_of(self._source.path), "byte")
            self.example = f"{seen} at {unit} {offset} of {self._source.path}"
        row = {
            "source": self._source.name,
            "file": str(self._source.path),
            "offset": offset,
            "language": language,
            "reason": reason.value,
            "detail": detail,
            "text": text,
        }
        self._files.add(row_offset, row, len(text))

    def flush(self) -> None:
        """Writes the rows that are left."""
        self._files.flush()
