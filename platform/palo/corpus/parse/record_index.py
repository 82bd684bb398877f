"""What the driver of a build knows of each record: some 30 bytes, in arrays.

Whole columns are read and handled at once; no record is ever a Python object here.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.corpus.parse.duplicates import DIGEST_BYTES

_COLUMNS = ("language", "image", "place", "digest")
_READERS = 4


class RecordFile(NamedTuple):
    """A file of records.

    Attributes:
        name: Its path in the corpus.
        source: Number of the source that it came from.
        num_rows: Records in it.
        digest: Names what later steps make of it.
    """

    name: str
    source: int
    num_rows: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordIndex:
    """All records of a build, in the order of the sources.

    Attributes:
        files: The files that they are in.
        starts: (files + 1,) int64 first row of each file, and the number of all rows.
        sources: (rows,) int16 number of each record's source.
        languages: (rows,) int16 number of its language in `codes`.
        codes: ISO 639-1 codes.
        places: (rows,) int64 place in its source, as `Piece.place_of` numbers it.
        digests: (rows, 2) uint64 of its language and turns.
        image_numbers: (rows,) int32 number of its image in `paths`, -1 without one.
        paths: Paths of all images.
    """

    files: tuple[RecordFile, ...]
    starts: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int16]
    languages: npt.NDArray[np.int16]
    codes: tuple[str, ...]
    places: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]
    image_numbers: npt.NDArray[np.int32]
    paths: pa.Array

    def __len__(self) -> int:
        return int(self.starts[-1])

    def rows_of(self, number: int) -> slice:
        """Returns which rows a file holds."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def split(self, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Returns, for each file, which of its rows are among some; those count from its first.

        Args:
            rows: Numbers of rows of the index, ascending.
        """
        parts = np.split(rows, np.searchsorted(rows, self.starts[1:-1]))
        return [part - start for part, start in zip(parts, self.starts[:-1], strict=True)]


def read_index(corpus: Path, files: Sequence[RecordFile]) -> RecordIndex:
    """Reads what the driver needs of all records.

    Args:
        corpus: Folder of the corpus.
        files: Its files of records, in the order of the sources.
    """
    sizes = [file.num_rows for file in files]
    with ThreadPoolExecutor(_READERS) as pool:
        parts = list(pool.map(lambda file: _read(corpus / file.name), files))
    languages, codes = _numbered([part.languages for part in parts])
    image_numbers, paths = _numbered([part.images for part in parts])
    return RecordIndex(
        files=tuple(files),
        starts=np.cumsum([0, *sizes], dtype=np.int64),
        sources=np.repeat(np.array([file.source for file in files], np.int16), sizes),
        languages=languages.astype(np.int16),
        codes=tuple(codes.to_pylist()),
        places=_joined([part.places for part in parts], np.zeros(0, np.int64)),
        digests=_joined([part.digests for part in parts], np.zeros((0, 2), np.uint64)),
        image_numbers=image_numbers,
        paths=paths,
    )


class _Part(NamedTuple):
    languages: pa.DictionaryArray
    images: pa.DictionaryArray
    places: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]


def _read(path: Path) -> _Part:
    table = storage.read_table(path, columns=_COLUMNS).combine_chunks()
    language, image, place, digest = (table.column(name).chunk(0) for name in _COLUMNS)
    start = digest.offset * DIGEST_BYTES
    data = digest.buffers()[1].slice(start, len(digest) * DIGEST_BYTES)
    return _Part(
        language.dictionary_encode(),
        image.dictionary_encode(),
        place.to_numpy(),
        np.frombuffer(data, "<u8").reshape(-1, 2).copy(),
    )


def _numbered(parts: Sequence[pa.DictionaryArray]) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Numbers the values of many arrays in one way; nulls are -1."""
    if not parts:
        return np.zeros(0, np.int32), pa.array([], pa.string())
    chunks = pa.chunked_array(parts).unify_dictionaries().chunks
    numbers = [pc.fill_null(chunk.indices, -1).to_numpy() for chunk in chunks]
    return np.concatenate(numbers).astype(np.int32, copy=False), chunks[0].dictionary


def _joined(parts: Sequence[npt.NDArray], empty: npt.NDArray) -> npt.NDArray:  # type: ignore[type-arg]
    return np.concatenate([empty, *parts])
