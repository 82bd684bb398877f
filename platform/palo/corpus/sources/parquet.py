"""Parquet in the Hugging Face layout: a piece is a row group, and images may lie within.

Known columns: id, language, corrupt, image or images, conversations of {from, value} or messages of
{role, content}. An image is a path, or a struct of bytes and path; its bytes are not read here:
the row names them by the path `file.parquet//row`, as members of archives are named.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from palo import storage
from palo.corpus.sources import rows as pieces
from palo.corpus.sources.parquet_bounds import (
    most_bytes,
    needs_dictionary,
    require_few_rows,
    too_much,
)
from palo.corpus.sources.rows import RawRow, Split, source_error
from palo.data.provenance import Provenance
from palo.images.image_folder import ImagePath, path_within
from palo.reasons import Reason, SourceFault

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

_TURNS = ("conversations", "messages")
_IMAGES = ("image", "images")
_KNOWN = (*_TURNS, *_IMAGES, "id", "language", "corrupt", *Provenance._fields)
_TRANSLATION = "_conversation"
_ROWS_PER_BATCH = 64
_IMAGES_PER_BATCH = 8
_SHOWN = 400
# Besides texts that are no UTF-8: two fields of one name, a time or a number out of range.
_UNREADABLE = (UnicodeDecodeError, ValueError, TypeError, OverflowError)

_Row: TypeAlias = "dict[str, Any] | Reason"


class RowGroup(NamedTuple):
    """A row group that has rows.

    Attributes:
        number: Its place in the file.
        start: Number of its first row.
        end: Number of the row behind its last one.
    """

    number: int
    start: int
    end: int


def row_ranges(path: Path) -> list[tuple[int, int]]:
    """Returns the first row of each row group and the one behind its last.

    Raises:
        DataError: If the file has no conversations, or more rows than it can have.
        StorageError: If it can't be read or is damaged.
    """
    with storage.open_parquet(path) as file:
        names = file.schema_arrow.names
        if not set(_TURNS) & set(names):
            raise source_error(
                SourceFault.NO_CONVERSATIONS,
                f"{path} has {', '.join(names)}"[:_SHOWN],
                fix="It needs conversations of {from, value} or messages of {role, content}.",
            )
        require_few_rows(path, file.metadata.num_rows)
        return [(group.start, group.end) for group in _row_groups(file)]


def _row_groups(file: "pq.ParquetFile") -> list[RowGroup]:
    metadata = file.metadata
    counts = (metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))
    starts = itertools.pairwise(itertools.accumulate(counts, initial=0))
    return [RowGroup(n, start, end) for n, (start, end) in enumerate(starts) if start < end]


def read_rows(piece: Split) -> Iterator[RawRow]:
    """Reads the rows of a row group.

    Raises:
        DataError: If the file is damaged, or unpacks to too much.
        StorageError: If it can't be read.
    """
    import pyarrow as pa

    try:
        with storage.open_parquet(piece.path) as file:
            group = next(one.number for one in _row_groups(file) if one.start == piece.start)
            leaf = image_leaf(file)
            embedded = leaf is not None and _has_images(piece.path, file, group, leaf)
            columns = [name for name in storage.leaves_of(file) if _wanted(name) and name != leaf]
            columns += [leaf] if embedded and leaf is not None else []
            by_value = not needs_dictionary(piece.path, file, group, columns)
            texts = [] if by_value else storage.texts_among(file, columns)
        with storage.open_parquet(piece.path, by_dictionary=texts) as file:
            batches = file.iter_batches(
                batch_size=_IMAGES_PER_BATCH if embedded else _ROWS_PER_BATCH,
                row_groups=[group],
                columns=columns,
            )
            rows: Iterator[_Row] = itertools.chain.from_iterable(map(_values, batches))
            if not by_value:
                rows = _values_one_by_one(batches, piece.path)
            for offset, row in enumerate(rows, start=piece.start):
                yield _raw_row(piece, offset, row)
    except pa.ArrowException as error:
        raise source_error(
            SourceFault.DAMAGED, f"{piece.path}: {error}", fix="Download it again."
        ) from error


def image_leaf(file: "pq.ParquetFile") -> str | None:
    """Returns the name of the column that holds images' bytes, None if the file has none."""
    import pyarrow as pa

    for name in storage.leaves_of(file):
        top, _, inner = name.partition(".")
        if top in _IMAGES:
            kind = file.schema_arrow.field(top).type
            if inner.rpartition(".")[2] == "bytes" or pa.types.is_binary(kind):
                return name
    return None


def _wanted(name: str) -> bool:
    top = name.partition(".")[0]
    return top in _KNOWN or top.endswith(_TRANSLATION)


def _has_images(path: Path, file: "pq.ParquetFile", group: int, leaf: str) -> bool:
    """Tells by a row group's statistics whether any image lies in it."""
    chunks, place = storage.row_groups(path)[group].chunks, storage.leaves_of(file).index(leaf)
    chunk = chunks[place] if place < len(chunks) else None
    return chunk is None or chunk.num_nulls is None or chunk.num_nulls < chunk.num_values


def _values(batch: "pa.RecordBatch") -> Iterator["_Row"]:
    """Yields the rows of a batch; the reason for one that can't be read."""
    if batch.nbytes > pieces.MAX_RECORD_BYTES:
        yield from _checked(batch, storage.row_bytes(batch))
        return
    try:
        yield from batch.to_pylist()
    except _UNREADABLE:
        yield from map(_value, range(len(batch)), itertools.repeat(batch))


def _values_one_by_one(batches: Iterable["pa.RecordBatch"], path: Path) -> Iterator["_Row"]:
    """Yields the rows of batches whose values are repeated, as long as they stay bounded."""
    left = most_bytes(path)
    for batch in batches:
        sizes = storage.row_bytes(batch)
        left -= int(sizes.sum())
        if left < 0:
            raise too_much(path, "a few values, repeated again and again")
        yield from _checked(batch, sizes)


def _checked(batch: "pa.RecordBatch", sizes: "npt.NDArray[np.int64]") -> Iterator["_Row"]:
    for number, size in enumerate(sizes.tolist()):
        yield Reason.TOO_LARGE if size > pieces.MAX_RECORD_BYTES else _value(number, batch)


def _value(number: int, batch: "pa.RecordBatch") -> "_Row":
    try:
        row: dict[str, Any] = batch.slice(number, 1).to_pylist()[0]
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    except _UNREADABLE:
        return Reason.NOT_A_RECORD
    return row


def _raw_row(piece: Split, offset: int, row: "_Row") -> RawRow:
    if isinstance(row, Reason):
        return RawRow(offset, b"", row)
    value = {key: kept for key, kept in row.items() if kept is not None}
    within = ImagePath(path_within(piece.path, offset))
    for name in _IMAGES:
        if name in value:
            value[name] = _image(value[name], within)
    for name in _TURNS:
        if isinstance(value.get(name), dict):  # how old versions of datasets write lists of structs
            fields = value[name]
            lists = zip(*(part or () for part in fields.values()), strict=False)
            value[name] = [dict(zip(fields, parts, strict=True)) for parts in lists]
    try:
        data = orjson.dumps(value, default=str)
    except (TypeError, ValueError):  # nested too deeply, or a number beyond 64 bits
        return RawRow(offset, b"", Reason.NOT_A_RECORD)
    if len(data) > pieces.MAX_RECORD_BYTES:
        return RawRow(offset, data[: pieces.KEPT_BYTES], Reason.TOO_LARGE)
    return RawRow(offset, data, value=value)


def _image(value: object, within: ImagePath) -> object:
    """Returns an image's path, or the paths of a list of them, in place of its bytes."""
    if isinstance(value, list):
        return [_image(one, within) for one in value]
    if isinstance(value, bytes):
        return within
    if isinstance(value, dict):
        return value.get("path") if value.get("bytes") is None else within
    return value
