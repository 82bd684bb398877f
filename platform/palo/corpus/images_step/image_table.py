"""The table of a build's images, so that none is read again while its file is unchanged.

    <corpus>/image_table.parquet     all images of the corpus, by path
    <corpus>/image_table/<name>.parquet  those identified since, in parts
    <corpus>/image_table/limits.json    the limits of one image's size
    <corpus>/done/images/<limits>/<name>.json   faults of images that can't be decoded

An image is known while its file has the same size and modification time.
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
from palo.config import fingerprint, to_dict
from palo.corpus.images_step.image_files import stamps_of
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

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
# May pass until the next try: the file was missing, or changed since it was identified.
_PASSING = (
    Reason.IMAGE_MISSING,
    Reason.IMAGE_UNREADABLE,
    Reason.IMAGE_HOST,
    Reason.IMAGE_SERVER_SILENT,
)


def table_path(corpus: Path) -> Path:
    """Returns the file of the table.

    Args:
        corpus: Folder of the corpus.
    """
    return corpus / "image_table.parquet"


def write_part(corpus: Path, rows: pa.Table) -> str:
    """Writes a part of the table, which is kept until the table is written.

    Args:
        corpus: Folder of the corpus.
        rows: As IMAGE_SCHEMA has it.

    Returns:
        Name of the part.
    """
    paths = "\n".join(rows.column("path").to_pylist())
    name = hashlib.sha256(paths.encode()).hexdigest()[:24]
    storage.write_table(_part(corpus, name), rows)
    return name


def read_parts(corpus: Path, names: Sequence[str]) -> pa.Table:
    """Reads parts of the table.

    Args:
        corpus: Folder of the corpus.
        names: Their names, from `write_part`.
    """
    tables = [storage.read_table(_part(corpus, name), schema=IMAGE_SCHEMA) for name in names]
    return pa.concat_tables([IMAGE_SCHEMA.empty_table(), *tables])


def _part(corpus: Path, name: str) -> Path:
    return corpus / "image_table" / f"{name}.parquet"


def prepare_table(corpus: Path, limits: ImageLimits) -> None:
    """Deletes the table if its images were judged by other limits.

    Args:
        corpus: Folder of the corpus.
        limits: The limits of this build.
    """
    path = corpus / "image_table" / "limits.json"
    wanted = to_dict(limits)
    if path.exists() and storage.read_json(path) == wanted:
        return
    storage.remove(table_path(corpus))
    storage.remove(corpus / "image_table")
    storage.write_json(path, wanted)


def known_rows(corpus: Path, wanted: pa.Array) -> pa.Table:
    """Reads the rows of images whose files are unchanged.

    Args:
        corpus: Folder of the corpus.
        wanted: Paths of images; others are left out.

    Returns:
        A table of IMAGE_SCHEMA, by path.
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
    """Returns which images of a table have unchanged files.

    Args:
        table: As IMAGE_SCHEMA has it.
        with_absent: Whether an image that had no file, and has none now, counts as unchanged.

    Returns:
        (images,) whether each is unchanged.
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
    """Returns the paths that a table lacks, sorted.

    Args:
        table: As IMAGE_SCHEMA has it.
        wanted: Paths of images.
    """
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
        number = table.schema.get_field_index(name)
        table = table.set_column(number, IMAGE_SCHEMA.field(name), column)
    return table


class ImageStates(NamedTuple):
    """Rows of the table, as arrays with a row for each of some images.

    Attributes:
        ids: (images, 2) uint64 first half of the image's id; 0 without one.
        digests: (images, 2) uint64 a digest of the id, or of the reason against it.
        is_bad: (images,) whether it can't be used.
        image_ids: (images,) ids; null without one.
        reasons: (images,) why it can't be used; null if it can.
        details: (images,) what was seen; "" or null if it can.
    """

    ids: npt.NDArray[np.uint64]
    digests: npt.NDArray[np.uint64]
    is_bad: npt.NDArray[np.bool_]
    image_ids: pa.Array
    reasons: pa.Array
    details: pa.Array


def states_of(table: pa.Table, paths: pa.Array) -> ImageStates:
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
    return ImageStates(names, digests, is_bad, ids, reasons, details)


def _chunk(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def faults_folder(corpus: Path, limits: ImageLimits) -> Path:
    """Returns the folder of the faults of a corpus' images.

    Args:
        corpus: Folder of the corpus.
        limits: The limits by which they were judged.
    """
    return corpus / "done" / "images" / fingerprint(limits)


def write_faults(folder: Path, faults: Mapping[str, tuple[str, str]]) -> None:
    """Keeps faults that will not pass, so that a resumed build leaves those images alone.

    Args:
        folder: From `faults_folder`.
        faults: Reason and detail by image id.
    """
    lasting = {key: fault for key, fault in faults.items() if fault[0] not in _PASSING}
    if lasting:
        name = hashlib.sha256("".join(sorted(lasting)).encode()).hexdigest()[:24]
        storage.write_json(folder / f"{name}.json", lasting)


def read_faults(corpus: Path, limits: ImageLimits) -> dict[str, tuple[str, str]]:
    """Reads the faults of images that can't be decoded.

    Args:
        corpus: Folder of the corpus.
        limits: The limits by which they were judged.

    Returns:
        Reason and detail by image id.
    """
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(faults_folder(corpus, limits).glob("*.json")):
        faults = storage.read_json(path)
        found |= {image_id: (reason, detail) for image_id, (reason, detail) in faults.items()}
    return found
