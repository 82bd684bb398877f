"""The hash of a source's rows, which the manifest names and a lineage checks."""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from palo.corpus.sources.json_array import SplitBoundary, misread
from palo.corpus.sources.rows import Format, Split
from palo.corpus.sources.splits import read_split, split_source


class RowsHash:
    """SHA-256 of the rows of a split and their offsets in the source."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, row_offset: int, data: bytes) -> None:
        """Adds the next row.

        Args:
            row_offset: Its offset in the whole source.
            data: Its bytes.
        """
        self._digest.update(b"%d %d\n" % (row_offset, len(data)))
        self._digest.update(data)

    def hexdigest(self) -> str:
        """Returns the hash of the rows so far as 64 hexadecimal digits."""
        return self._digest.hexdigest()


def joined_hash(hashes: Iterable[str]) -> str:
    """Returns the SHA-256 of a source's rows as 64 hexadecimal digits.

    Args:
        hashes: Those of its splits, in their order.
    """
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def source_hash(files: Sequence[Path], form: Literal["auto"] | Format = "auto") -> str:
    """Reads a source and returns the SHA-256 of its rows, as the manifest of a corpus names it.

    Args:
        files: The source's files, in the order of their build.
        form: How they are written.

    Raises:
        DataError: If one can't be used as a whole.
        StorageError: If one is missing or can't be read.
    """
    splits = [
        dataclasses.replace(split, file_number=number)
        for number, file in enumerate(files)
        for split in split_source(file, form)
    ]
    read = {_key(split): _read(split) for split in splits}
    # Splits of a JSON array begin where a row seems to; wrong ones are read again, as in a build.
    while wrong := misread(splits, [read[_key(split)][1] for split in splits]):
        read |= {_key(split): _read(split) for split in wrong}
    return joined_hash(read[_key(split)][0] for split in splits)


def _key(split: Split) -> int:
    return split.row_offset(split.start)


def _read(split: Split) -> tuple[str, SplitBoundary]:
    rows, reader = RowsHash(), read_split(split)
    for raw in reader:
        rows.add(split.row_offset(raw.offset), raw.data)
    return rows.hexdigest(), reader.boundary
