"""Parquet in the Hugging Face layout: a piece is a row group, and pictures may lie within.

Known columns: id, language, corrupt, image or images, conversations of {from, value} or messages of
{role, content}. A picture is a path, or a struct of bytes and path; its bytes are not read here:
the row names them by the path `file.parquet//row`, as members of archives are named.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from palo import storage
from palo.data.picture_paths import PicturePath, path_within
from palo.data.provenance import Provenance
from palo.data.reasons import Reason, SourceFault
from palo.data.sources import pieces
from palo.data.sources.pieces import Piece, RawRow, source_error

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_TURNS = ("conversations", "messages")
_PICTURES = ("image", "images")
_KNOWN = (*_TURNS, *_PICTURES, "id", "language", "corrupt", *Provenance._fields)
_TRANSLATION = "_conversation"
_ROWS_PER_BATCH = 64
_PICTURES_PER_BATCH = 8


def row_ranges(path: Path) -> list[tuple[int, int]]:
    """Returns the first row of each row group and the one behind its last.

    Raises:
        DataError: If the file has no conversations.
        StorageError: If it can't be read or is damaged.
    """
    with storage.open_parquet(path) as file:
        names = file.schema_arrow.names
        if not set(_TURNS) & set(names):
            raise source_error(
                SourceFault.NO_CONVERSATIONS,
                f"{path} has {', '.join(names)}",
                fix="It needs conversations of {from, value} or messages of {role, content}.",
            )
        starts = [0]
        for group in range(file.num_row_groups):
            starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
    return [(start, end) for start, end in itertools.pairwise(starts) if start < end]


def read_rows(piece: Piece) -> Iterator[RawRow]:
    """Reads the rows of a row group.

    Raises:
        DataError: If the file is damaged.
        StorageError: If it can't be read.
    """
    import pyarrow as pa

    group = next(n for n, (start, _) in enumerate(row_ranges(piece.path)) if start == piece.start)
    offset = piece.start
    try:
        with storage.open_parquet(piece.path) as file:
            leaf = picture_leaf(file)
            embedded = leaf is not None and _has_pictures(file, group, leaf)
            columns = [name for name in _leaves(file) if _wanted(name) and name != leaf]
            batches = file.iter_batches(
                batch_size=_PICTURES_PER_BATCH if embedded else _ROWS_PER_BATCH,
                row_groups=[group],
                columns=[*columns, leaf] if embedded else columns,
            )
            for batch in batches:
                for row in _values(batch):
                    yield _raw_row(piece, offset, row)
                    offset += 1
    except pa.ArrowInvalid as error:
        raise source_error(
            SourceFault.DAMAGED, f"{piece.path}: {error}", fix="Download it again."
        ) from error


def picture_leaf(file: "pq.ParquetFile") -> str | None:
    """Returns the name of the column that holds pictures' bytes, None if the file has none."""
    import pyarrow as pa

    for name in _leaves(file):
        top, _, inner = name.partition(".")
        if top in _PICTURES:
            kind = file.schema_arrow.field(top).type
            if inner.rpartition(".")[2] == "bytes" or pa.types.is_binary(kind):
                return name
    return None


def _leaves(file: "pq.ParquetFile") -> list[str]:
    return [str(file.schema.column(n).path) for n in range(len(file.schema))]


def _wanted(name: str) -> bool:
    top = name.partition(".")[0]
    return top in _KNOWN or top.endswith(_TRANSLATION)


def _has_pictures(file: "pq.ParquetFile", group: int, leaf: str) -> bool:
    """Tells by a row group's statistics whether any picture lies in it."""
    column = file.metadata.row_group(group).column(_leaves(file).index(leaf))
    statistics = column.statistics
    if statistics is None or not statistics.has_null_count:
        return True
    return bool(statistics.null_count < column.num_values)


def _values(batch: "pa.RecordBatch") -> Iterator[dict[str, Any] | None]:
    """Yields the rows of a batch; None for one that is not UTF-8."""
    try:
        yield from batch.to_pylist()
        return
    except UnicodeDecodeError:
        pass
    for number in range(len(batch)):
        try:
            yield batch.slice(number, 1).to_pylist()[0]
        except UnicodeDecodeError:
            yield None


def _raw_row(piece: Piece, offset: int, row: dict[str, Any] | None) -> RawRow:
    if row is None:
        return RawRow(offset, b"", Reason.NOT_UTF8)
    value = {key: kept for key, kept in row.items() if kept is not None}
    within = PicturePath(path_within(piece.path, offset))
    for name in _PICTURES:
        if name in value:
            value[name] = _picture(value[name], within)
    for name in _TURNS:
        if isinstance(value.get(name), dict):  # how old versions of datasets write lists of structs
            fields = value[name]
            lists = zip(*fields.values(), strict=False)
            value[name] = [dict(zip(fields, parts, strict=True)) for parts in lists]
    data = orjson.dumps(value, default=str)
    if len(data) > pieces.MAX_RECORD_BYTES:
        return RawRow(offset, data[: pieces.KEPT_BYTES], Reason.TOO_LARGE)
    return RawRow(offset, data, value=value)


def _picture(value: object, within: PicturePath) -> object:
    """Returns a picture's path, or the paths of a list of them, in place of its bytes."""
    if isinstance(value, list):
        return [_picture(one, within) for one in value]
    if isinstance(value, bytes):
        return within
    if isinstance(value, dict):
        return value.get("path") if value.get("bytes") is None else within
    return value
