"""Finding records that say the same about the same picture in the same language.

Each record is known by 16 bytes, so that millions fit into memory; which of them stays depends on
their order in the sources alone.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from palo.data.known_pictures import known_pictures

_DIGEST_BYTES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestTask:
    """One file of records.

    Attributes:
        corpus: Folder of the corpus.
        name: The file.
    """

    corpus: Path
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicate:
    """A record that an earlier one makes superfluous.

    Attributes:
        offset: Its place in its source.
        first: The earlier record: its source's number and its place there.
    """

    offset: int
    first: tuple[int, ...]


def offset_of(record_id: str) -> int:
    """Returns a record's place in its source."""
    return int(record_id.rsplit("@", 1)[1])


def digest_records(task: DigestTask) -> dict[str, Any]:
    """Computes what tells a file's records from others.

    Returns:
        name; digests and offsets of the records in their order, each as base64 of little-endian
        integers: two of 64 bits and one.
    """
    columns = ["record_id", "language", "image", "turns"]
    table = pq.read_table(task.corpus / "records" / task.name, columns=columns)
    pictures = known_pictures(task.corpus, table.column("image").unique().drop_null().to_pylist())
    rows = table.to_pylist()
    digests = b"".join(
        _digest(row, pictures[row["image"]].image_id or row["image"]) for row in rows
    )
    offsets = np.array([offset_of(row["record_id"]) for row in rows], "<i8").tobytes()
    return {
        "name": task.name,
        "digests": base64.b64encode(digests).decode(),
        "offsets": base64.b64encode(offsets).decode(),
    }


def _digest(row: Mapping[str, Any], picture: str | None) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    parts = [row["language"], picture or ""]
    for turn in row["turns"]:
        parts += [f"{turn['role']} {turn['num_images']}", turn["text"]]
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


class DuplicateFinder:
    """Collects the digests of a corpus's records: 24 bytes a record, a hundred at the end."""

    def __init__(self) -> None:
        self._digests: dict[str, npt.NDArray[np.uint64]] = {}
        self._offsets: dict[str, npt.NDArray[np.int64]] = {}

    def add(self, result: Mapping[str, str]) -> int:
        """Takes what `digest_records` returned; returns the number of its records."""
        name = result["name"]
        digests = np.frombuffer(base64.b64decode(result["digests"]), "<u8").reshape(-1, 2)
        self._digests[name] = digests.astype(np.uint64, copy=False)
        self._offsets[name] = np.frombuffer(base64.b64decode(result["offsets"]), "<i8")
        return len(digests)

    def duplicates(self) -> dict[str, tuple[Duplicate, ...]]:
        """Returns each file's records that equal an earlier one, without files that have none."""
        names = sorted(self._digests)
        if not names:
            return {}
        digests = np.concatenate([self._digests[name] for name in names])
        offsets = np.concatenate([self._offsets[name] for name in names])
        ends = np.cumsum([len(self._offsets[name]) for name in names])
        sources = [int(name.split("-")[0]) for name in names]
        found: dict[str, list[Duplicate]] = {}
        for row, first in _later_and_first(digests):
            own, earlier = np.searchsorted(ends, (row, first), side="right").tolist()
            found.setdefault(names[own], []).append(
                Duplicate(offset=int(offsets[row]), first=(sources[earlier], int(offsets[first])))
            )
        return {name: tuple(rows) for name, rows in found.items()}


def _later_and_first(digests: npt.NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Returns the rows, in order, that an earlier row equals, each with the first such row.

    Args:
        digests: (number of rows, 2) integers.
    """
    order = np.lexsort((digests[:, 1], digests[:, 0]))  # stable: equal rows stay in their order
    ordered = digests[order]
    starts = np.ones(len(order), bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    firsts = order[starts][np.cumsum(starts) - 1]
    return sorted(zip(order[~starts].tolist(), firsts[~starts].tolist(), strict=True))
