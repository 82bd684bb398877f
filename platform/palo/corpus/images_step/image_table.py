"""The table of a build's images: what was read of each, so that it need not be read again.

    <corpus>/image_table.parquet     all images of the corpus, by path
    <corpus>/image_table/<name>.parquet  those that were identified since, in parts
    <corpus>/image_table/limits.json    how much one was allowed to ask for

An image counts as known while its file has the size and the time of change that it had.
"""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.config import to_dict
from palo.corpus.images_step.image_files import stamps_of
from palo.images.preprocessing import ImageLimits

IMAGE_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("image_id", pa.string()),
        pa.field("num_bytes", pa.int64(), nullable=False),
        pa.field("modified_ns", pa.int64(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string(), nullable=False),
    ]
)

_PATHS_AT_ONCE = 1024
_READERS = 8
_ABSENT = -1


def table_path(corpus: Path) -> Path:
    """Returns where the table of a corpus lies."""
    return corpus / "image_table.parquet"


def write_part(corpus: Path, rows: pa.Table) -> str:
    """Keeps what was found of some images, until the table is written; returns a name."""
    paths = "\n".join(rows.column("path").to_pylist())
    name = hashlib.sha256(paths.encode()).hexdigest()[:24]
    storage.write_table(_part(corpus, name), rows)
    return name


def read_parts(corpus: Path, names: Sequence[str]) -> pa.Table:
    """Reads what `write_part` kept."""
    tables = [storage.read_table(_part(corpus, name), schema=IMAGE_SCHEMA) for name in names]
    return pa.concat_tables([IMAGE_SCHEMA.empty_table(), *tables])


def _part(corpus: Path, name: str) -> Path:
    return corpus / "image_table" / f"{name}.parquet"


def prepare_table(corpus: Path, limits: ImageLimits) -> None:
    """Forgets all images if they were judged by other limits."""
    path = corpus / "image_table" / "limits.json"
    wanted = to_dict(limits)
    if path.exists() and storage.read_json(path) == wanted:
        return
    storage.remove(table_path(corpus))
    storage.remove(corpus / "image_table")
    storage.write_json(path, wanted)


def known_rows(corpus: Path, wanted: pa.Array) -> pa.Table:
    """Returns what is still true of images, by path.

    Args:
        corpus: Folder of the corpus.
        wanted: Paths of images; others are left out.
    """
    whole, parts = table_path(corpus), sorted((corpus / "image_table").glob("*.parquet"))
    files = [path for path in (whole, *parts) if path.exists()]
    tables = [storage.read_table(path, schema=IMAGE_SCHEMA) for path in files]
    table = pa.concat_tables([IMAGE_SCHEMA.empty_table(), *tables])
    table = table.filter(pc.is_in(table.column("path"), value_set=wanted))
    table = table.filter(pa.array(unchanged(table))).sort_by("path").combine_chunks()
    paths = table.column("path")
    if len(table) > 1:
        repeats = pc.equal(paths.slice(1), paths.slice(0, len(paths) - 1))
        table = table.filter(pa.array([True, *pc.invert(repeats).to_pylist()]))
    return table


def unchanged(table: pa.Table, *, with_absent: bool = False) -> npt.NDArray[np.bool_]:
    """Returns which images of a table lie there as they did.

    Args:
        table: As IMAGE_SCHEMA has it.
        with_absent: Whether one that wasn't there, and has no file now, counts as such.
    """
    paths = table.column("path").to_pylist()
    parts = [
        paths[start : start + _PATHS_AT_ONCE] for start in range(0, len(paths), _PATHS_AT_ONCE)
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        found = [stamp for part in pool.map(stamps_of, parts) for stamp in part]
    stamps = np.array(found, np.int64).reshape(-1, 2)
    own = [table.column(name).to_numpy() for name in ("num_bytes", "modified_ns")]
    same = (stamps == np.stack(own, axis=1)).all(axis=1)
    if with_absent:
        return np.asarray(same)
    is_good = pc.is_valid(table.column("image_id")).to_numpy()
    return np.asarray(same & (is_good | (stamps[:, 0] != _ABSENT)))


def absent_from(table: pa.Table, wanted: pa.Array) -> list[str]:
    """Returns the paths that a table lacks, sorted."""
    known = pc.is_in(wanted, value_set=table.column("path").combine_chunks())
    return sorted(wanted.filter(pc.invert(known)).to_pylist())


def with_faults(table: pa.Table, faults: Mapping[str, tuple[str, str]]) -> pa.Table:
    """Returns a table with the faults that decoding found, and no others of that kind.

    Args:
        table: As IMAGE_SCHEMA has it.
        faults: Reason and detail by image id.
    """
    ids = table.column("image_id")
    bad = pa.array(list(faults), pa.string())
    which = pc.index_in(ids, value_set=bad)
    columns = {}
    for position, name in enumerate(("reason", "detail")):
        values = pa.array([fault[position] for fault in faults.values()], pa.string())
        blank = pa.scalar(None if name == "reason" else "", pa.string())
        own = pc.if_else(pc.is_valid(ids), blank, table.column(name))
        columns[name] = pc.if_else(pc.is_valid(which), values.take(which.combine_chunks()), own)
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, IMAGE_SCHEMA.field(name), column)
    return table


class States(NamedTuple):
    """What is known of some images, as arrays with a row for each.

    Attributes:
        ids: (images, 2) uint64 first half of the image's id; 0 without one.
        digests: (images, 2) uint64 what names the id, or why it can't be used.
        is_bad: (images,) whether it can't be used.
    """

    ids: npt.NDArray[np.uint64]
    digests: npt.NDArray[np.uint64]
    is_bad: npt.NDArray[np.bool_]


def states_of(table: pa.Table, paths: pa.Array) -> States:
    """Looks images up.

    Args:
        table: As IMAGE_SCHEMA has it.
        paths: Their paths; what the table lacks counts as an image without an id.
    """
    table = table.combine_chunks()
    where = pc.index_in(paths, value_set=_chunk(table, "path"))
    ids, reasons, details = (_chunk(table, n).take(where) for n in ("image_id", "reason", "detail"))
    names = np.zeros((len(paths), 2), np.uint64)
    has_id = pc.is_valid(ids).to_numpy(zero_copy_only=False)
    data = bytes.fromhex("".join(ids.drop_null().to_pylist()))
    names[has_id] = np.frombuffer(data, "<u8").reshape(-1, 4)[:, :2]
    is_bad = pc.is_valid(reasons).to_numpy(zero_copy_only=False)
    digests = names.copy()
    for row in np.flatnonzero(is_bad).tolist():
        text = f"{reasons[row].as_py()}\n{details[row].as_py()}"
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        digests[row] = np.frombuffer(digest, "<u8")
    return States(names, digests, is_bad)


def _chunk(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
