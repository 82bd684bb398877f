"""Files of records: what the parse stage writes, and the index of them that the driver keeps.

Whole columns are written and read at once, since a row at a time costs ten times more. The index
takes some 30 bytes a record, in arrays; no record is a Python object there.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.data.records import RECORD_SCHEMA, Record
from palo.text.messages import Turn

DIGEST_BYTES = 16
"""Size of a digest of a record's language and turns; millions fit into memory."""

RECORD_FILE_SCHEMA = pa.schema(
    [
        *RECORD_SCHEMA,
        pa.field("row_offset", pa.int64(), nullable=False),
        pa.field("digest", pa.binary(DIGEST_BYTES), nullable=False),
    ]
)

_TURNS = RECORD_SCHEMA.field("turns").type
_PLAIN = [name for name in RECORD_SCHEMA.names if name not in ("turns", "gates")]
_COLUMNS = ("language", "image", "row_offset", "digest")
_READERS = 4


class FiledRecord(NamedTuple):
    """A record as a file of records holds it.

    Attributes:
        record: The record.
        row_offset: Its offset in its source, from `Split.row_offset`.
        digest: Digest of its language and turns, from `digest_of`.
    """

    record: Record
    row_offset: int
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordFile:
    """A file of records.

    Attributes:
        name: Its path in the corpus.
        num_rows: Records in it.
        digest: Names all that later stages read of it.
    """

    name: str
    num_rows: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordIndex:
    """All records of a build, in the order of the sources.

    Attributes:
        files: The files that they are in.
        file_sources: (files,) index of each file's source.
        starts: (files + 1,) int64 first row of each file, and the number of all rows.
        sources: (rows,) int16 index of each record's source.
        languages: (rows,) int16 index of its language in `codes`.
        codes: ISO 639-1 codes.
        row_offsets: (rows,) int64 offset in its source, from `Split.row_offset`.
        digests: (rows, 2) uint64 of its language and turns.
        image_numbers: (rows,) int32 index of its image in `paths`, -1 without one.
        paths: Paths of all images.
    """

    files: tuple[RecordFile, ...]
    file_sources: tuple[int, ...]
    starts: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int16]
    languages: npt.NDArray[np.int16]
    codes: tuple[str, ...]
    row_offsets: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]
    image_numbers: npt.NDArray[np.int32]
    paths: pa.Array

    def __len__(self) -> int:
        return int(self.starts[-1])

    def rows_of(self, number: int) -> slice:
        """Returns the range of rows of a file.

        Args:
            number: Index of the file.
        """
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def split(self, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Divides rows by file.

        Args:
            rows: Indices of rows, ascending.

        Returns:
            For each file the indices of its rows among them, counted from its first.
        """
        parts = np.split(rows, np.searchsorted(rows, self.starts[1:-1]))
        return [part - start for part, start in zip(parts, self.starts[:-1], strict=True)]


def digest_of(language: str, turns: Sequence[Turn], system: str | None = None) -> bytes:
    """Returns a digest of DIGEST_BYTES of a record's words and language, whatever its image.

    Args:
        language: ISO 639-1 code.
        turns: The record's turns.
        system: Its system text.
    """
    parts = [_length_and_bytes(language)]
    if system is not None:
        parts += [_length_and_bytes("system"), _length_and_bytes(system)]
    for turn in turns:
        text = turn.text.encode()
        parts += (_speaker(turn.role, turn.num_images), len(text).to_bytes(8, "little"), text)
    return hashlib.blake2b(b"".join(parts), digest_size=DIGEST_BYTES).digest()


@lru_cache(maxsize=64)
def _speaker(role: str, num_images: int) -> bytes:
    return _length_and_bytes(f"{role} {num_images}")


def _length_and_bytes(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(8, "little") + data


def file_table(rows: Sequence[FiledRecord]) -> pa.Table:
    """Returns records as a table of RECORD_FILE_SCHEMA.

    Args:
        rows: Records with their offsets and digests.
    """
    columns = record_table([row.record for row in rows]).columns
    columns.append(pa.array([row.row_offset for row in rows], pa.int64()))
    columns.append(pa.array([row.digest for row in rows], pa.binary(DIGEST_BYTES)))
    return pa.table(columns, schema=RECORD_FILE_SCHEMA)


def record_table(records: Sequence[Record]) -> pa.Table:
    """Returns records as a table of RECORD_SCHEMA.

    Args:
        records: The records.
    """
    turns = [turn for record in records for turn in record.turns]
    values = [
        [turn.role for turn in turns],
        [turn.text for turn in turns],
        [turn.num_images for turn in turns],
    ]
    fields = list(_TURNS.value_type)
    struct = pa.StructArray.from_arrays(
        [pa.array(value, field.type) for value, field in zip(values, fields, strict=True)],
        fields=fields,
    )
    ends = accumulate((len(record.turns) for record in records), initial=0)
    gates = [None if record.gates is None else list(record.gates.items()) for record in records]
    columns = {
        name: pa.array(
            [getattr(record, name) for record in records], RECORD_SCHEMA.field(name).type
        )
        for name in _PLAIN
    }
    columns["turns"] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), struct, type=_TURNS)
    columns["gates"] = pa.array(gates, RECORD_SCHEMA.field("gates").type)
    return pa.table([columns[name] for name in RECORD_SCHEMA.names], schema=RECORD_SCHEMA)


def records_of(table: pa.Table) -> Iterator[Record]:
    """Yields the records of a table.

    Args:
        table: As RECORD_SCHEMA has it.
    """
    for batch in table.to_batches():
        lists = batch.column("turns")
        parts = [part.to_pylist() for part in lists.values.flatten()]
        turns = [Turn(*values) for values in zip(*parts, strict=True)]
        plain = {name: batch.column(name).to_pylist() for name in _PLAIN}
        gates = batch.column("gates").to_pylist()
        offsets = lists.offsets.to_pylist()
        for number, (start, end) in enumerate(pairwise(offsets)):
            gate = gates[number]
            yield Record(
                **{name: values[number] for name, values in plain.items()},
                turns=tuple(turns[start:end]),
                gates=None if gate is None else dict(gate),
            )


def read_index(corpus: Path, files: Sequence[RecordFile], sources: Sequence[int]) -> RecordIndex:
    """Reads the index of all records.

    Args:
        corpus: Folder of the corpus.
        files: Its files of records, in the order of the sources.
        sources: (files,) index of each file's source.
    """
    sizes = [file.num_rows for file in files]
    with ThreadPoolExecutor(_READERS) as pool:
        parts = list(pool.map(lambda file: _read(corpus / file.name), files))
    languages, codes = _numbered([part.languages for part in parts])
    image_numbers, paths = _numbered([part.images for part in parts])
    return RecordIndex(
        files=tuple(files),
        file_sources=tuple(sources),
        starts=np.cumsum([0, *sizes], dtype=np.int64),
        sources=np.repeat(np.array(sources, np.int16), sizes),
        languages=languages.astype(np.int16),
        codes=tuple(codes.to_pylist()),
        row_offsets=_joined([part.row_offsets for part in parts], np.zeros(0, np.int64)),
        digests=_joined([part.digests for part in parts], np.zeros((0, 2), np.uint64)),
        image_numbers=image_numbers,
        paths=paths,
    )


class _Part(NamedTuple):
    languages: pa.DictionaryArray
    images: pa.DictionaryArray
    row_offsets: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]


def _read(path: Path) -> _Part:
    table = storage.read_table(path, columns=_COLUMNS).combine_chunks()
    language, image, row_offset, digest = (table.column(name).chunk(0) for name in _COLUMNS)
    start = digest.offset * DIGEST_BYTES
    data = digest.buffers()[1].slice(start, len(digest) * DIGEST_BYTES)
    return _Part(
        language.dictionary_encode(),
        image.dictionary_encode(),
        row_offset.to_numpy(),
        np.frombuffer(data, "<u8").reshape(-1, 2).copy(),
    )


def _numbered(parts: Sequence[pa.DictionaryArray]) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Returns indices into one array of the distinct values of many; nulls are -1."""
    if not parts:
        return np.zeros(0, np.int32), pa.array([], pa.string())
    chunks = pa.chunked_array(parts).unify_dictionaries().chunks
    numbers = [pc.fill_null(chunk.indices, -1).to_numpy() for chunk in chunks]
    return np.concatenate(numbers).astype(np.int32, copy=False), chunks[0].dictionary


def _joined(parts: Sequence[npt.NDArray], empty: npt.NDArray) -> npt.NDArray:  # type: ignore[type-arg]
    return np.concatenate([empty, *parts])
