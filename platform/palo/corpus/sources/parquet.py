"""Parquet in the Hugging Face layout: a split is a row group, and images may lie within.

Columns are named as the keys of rows are, see `palo.data.layouts`. An image is a path, bytes, or a
struct of bytes and path; its bytes are not read here: the row names them by the path
`file.parquet//row`, as members of archives are named.

The headers of pages show how much a file from an unknown author would unpack to, before it does.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from palo import storage
from palo.corpus.sources import rows as byte_limits
from palo.corpus.sources.rows import RawRow, Split, source_error
from palo.data.layouts import (
    CAPTION_KEYS,
    EXPECTED,
    OTHER_KEYS,
    PAIR_KEYS,
    TURN_KEYS,
)
from palo.data.provenance import Provenance
from palo.data.row_images import FILE_KEYS, IMAGE_KEYS, can_hold_rows, names_an_image
from palo.data.row_language import LANGUAGE_KEYS
from palo.errors import DataError
from palo.images.image_folder import ImagePath, path_within
from palo.reasons import Reason, SourceFault

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

_PAIRED = tuple(key for pair in PAIR_KEYS for key in pair)
_WORDS = (*TURN_KEYS, *_PAIRED, *CAPTION_KEYS)
_OTHERS = (*OTHER_KEYS, *LANGUAGE_KEYS, "id", "corrupt", *Provenance._fields)
_KNOWN = frozenset((*_WORDS, *_OTHERS, *IMAGE_KEYS, *FILE_KEYS))
_TRANSLATION = "_conversation"
_ROWS_PER_BATCH = 64
_IMAGES_PER_BATCH = 8
_SHOWN = 400
_SURELY_FINE_ROWS = 1 << 16
_SURELY_FINE_VALUES = 1 << 20
_SURELY_FINE_BYTES = 512 << 20
_REPEATED_BYTES = 256 << 20
_MAX_RATIO = 100
# Besides texts that are no UTF-8: two fields of one name, a time or a number out of range.
_UNREADABLE = (UnicodeDecodeError, ValueError, TypeError, OverflowError)

_Row: TypeAlias = "dict[str, Any] | Reason"


class RowGroup(NamedTuple):
    """A row group that has rows.

    Attributes:
        number: Its index in the file.
        start: Number of its first row.
        end: Number of the row behind its last one.
    """

    number: int
    start: int
    end: int


def row_ranges(path: Path) -> list[tuple[int, int]]:
    """Returns the first row of each row group and the one behind its last.

    Args:
        path: The file.

    Raises:
        DataError: If the file has no conversations, or more rows than it can have.
        StorageError: If it can't be read or is damaged.
    """
    with storage.open_parquet(path) as file:
        names = file.schema_arrow.names
        if not can_hold_rows(names):
            raise source_error(
                SourceFault.NO_CONVERSATIONS,
                f"{path} has {', '.join(names)}"[:_SHOWN],
                fix=f"It needs {EXPECTED}.",
            )
        _require_read_images(path, file)
        _require_few_rows(path, file.metadata.num_rows)
        return [(group.start, group.end) for group in _row_groups(file)]


def _require_read_images(path: Path, file: "pq.ParquetFile") -> None:
    """Refuses a file whose only images are bytes in a column that isn't read."""
    if set(IMAGE_KEYS) & set(file.schema_arrow.names):
        return
    unread = {name.partition(".")[0] for name in storage.leaves_of(file) if _is_binary(file, name)}
    if unread - _KNOWN:
        raise source_error(
            SourceFault.UNREAD_COLUMN,
            f"{path}: {', '.join(sorted(unread - _KNOWN))}"[:_SHOWN],
            fix="Rename it to image if it holds images, or remove it.",
        )


def _is_binary(file: "pq.ParquetFile", leaf: str) -> bool:
    import pyarrow as pa

    kind = file.schema_arrow.field(leaf.partition(".")[0]).type
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return is_bytes or leaf.rpartition(".")[2] == "bytes"


def _row_groups(file: "pq.ParquetFile") -> list[RowGroup]:
    metadata = file.metadata
    counts = (metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))
    starts = itertools.pairwise(itertools.accumulate(counts, initial=0))
    return [RowGroup(n, start, end) for n, (start, end) in enumerate(starts) if start < end]


def read_rows(split: Split) -> Iterator[RawRow]:
    """Reads the rows of a row group.

    Args:
        split: The row group.

    Raises:
        DataError: If the file is damaged, or unpacks to too much.
        StorageError: If it can't be read.
    """
    import pyarrow as pa

    try:
        with storage.open_parquet(split.path) as file:
            group = next(one.number for one in _row_groups(file) if one.start == split.start)
            leaf = image_leaf(file)
            embedded = leaf is not None and _has_images(split.path, file, group, leaf)
            columns = [name for name in storage.leaves_of(file) if _wanted(name) and name != leaf]
            columns += [leaf] if embedded and leaf is not None else []
            by_value = not needs_dictionary(split.path, file, group, columns)
            texts = [] if by_value else storage.texts_among(file, columns)
        with storage.open_parquet(split.path, by_dictionary=texts) as file:
            batches = file.iter_batches(
                batch_size=_IMAGES_PER_BATCH if embedded else _ROWS_PER_BATCH,
                row_groups=[group],
                columns=columns,
            )
            rows: Iterator[_Row] = itertools.chain.from_iterable(map(_values, batches))
            if not by_value:
                rows = _values_one_by_one(batches, split.path)
            for offset, row in enumerate(rows, start=split.start):
                yield _raw_row(split, offset, row)
    except pa.ArrowException as error:
        raise source_error(
            SourceFault.DAMAGED, f"{split.path}: {error}", fix="Download it again."
        ) from error


def image_leaf(file: "pq.ParquetFile") -> str | None:
    """Returns the path of the column of images' bytes, None if the file has none.

    Args:
        file: An open file.
    """
    for name in storage.leaves_of(file):
        if name.partition(".")[0] in IMAGE_KEYS and _is_binary(file, name):
            return name
    return None


def _wanted(name: str) -> bool:
    top = name.partition(".")[0]
    return top in _KNOWN or top.endswith(_TRANSLATION) or names_an_image(top)


def _has_images(path: Path, file: "pq.ParquetFile", group: int, leaf: str) -> bool:
    """Returns whether a row group holds any image, by its statistics."""
    chunks, number = storage.row_groups(path)[group].chunks, storage.leaves_of(file).index(leaf)
    chunk = chunks[number] if number < len(chunks) else None
    return chunk is None or chunk.num_nulls is None or chunk.num_nulls < chunk.num_values


def _values(batch: "pa.RecordBatch") -> Iterator["_Row"]:
    """Yields the rows of a batch; the reason for one that can't be read."""
    if batch.nbytes > byte_limits.MAX_RECORD_BYTES:
        yield from _checked(batch, storage.row_bytes(batch))
        return
    try:
        yield from batch.to_pylist()
    except _UNREADABLE:
        yield from map(_value, range(len(batch)), itertools.repeat(batch))


def _values_one_by_one(batches: Iterable["pa.RecordBatch"], path: Path) -> Iterator["_Row"]:
    """Yields the rows of batches whose values are repeated, as long as they stay bounded."""
    left = _most_bytes(path)
    for batch in batches:
        sizes = storage.row_bytes(batch)
        left -= int(sizes.sum())
        if left < 0:
            raise _too_much(path, "a few values, repeated again and again")
        yield from _checked(batch, sizes)


def _checked(batch: "pa.RecordBatch", sizes: "npt.NDArray[np.int64]") -> Iterator["_Row"]:
    for number, size in enumerate(sizes.tolist()):
        yield Reason.TOO_LARGE if size > byte_limits.MAX_RECORD_BYTES else _value(number, batch)


def _value(number: int, batch: "pa.RecordBatch") -> "_Row":
    try:
        row: dict[str, Any] = batch.slice(number, 1).to_pylist()[0]
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    except _UNREADABLE:
        return Reason.NOT_A_RECORD
    return row


def _raw_row(split: Split, offset: int, row: "_Row") -> RawRow:
    if isinstance(row, Reason):
        return RawRow(offset, b"", row)
    value = {key: kept for key, kept in row.items() if kept is not None}
    within = ImagePath(path_within(split.path, offset))
    for name in IMAGE_KEYS:
        if name in value:
            value[name] = _image(value[name], within)
    for name in TURN_KEYS:
        if isinstance(value.get(name), dict):  # how old versions of datasets write lists of structs
            fields = value[name]
            lists = zip(*(part or () for part in fields.values()), strict=False)
            value[name] = [dict(zip(fields, parts, strict=True)) for parts in lists]
    try:
        data = orjson.dumps(value, default=str)
    except (TypeError, ValueError):  # nested too deeply, or a number beyond 64 bits
        return RawRow(offset, b"", Reason.NOT_A_RECORD)
    if len(data) > byte_limits.MAX_RECORD_BYTES:
        return RawRow(offset, data[: byte_limits.KEPT_BYTES], Reason.TOO_LARGE)
    return RawRow(offset, data, value=value)


def _image(value: object, within: ImagePath) -> object:
    """Returns an image's path, or the paths of a list of them, instead of its bytes."""
    if isinstance(value, list):
        return [_image(one, within) for one in value]
    if isinstance(value, bytes):
        return within
    if isinstance(value, dict):
        return value.get("path") if value.get("bytes") is None else within
    return value


def _require_few_rows(path: Path, num_rows: int) -> None:
    """Refuses a file that has more rows than bytes: each costs time and adds nothing."""
    if num_rows > max(_SURELY_FINE_ROWS, path.stat().st_size):
        raise _too_much(path, f"{num_rows:,} rows")


def needs_dictionary(path: Path, file: "pq.ParquetFile", group: int, names: Sequence[str]) -> bool:
    """Returns whether columns of a row group must stay dictionaries when they are decoded.

    Some long values, each stored once and named many times, may take gigabytes otherwise.

    Args:
        path: The file.
        file: It, open.
        group: Number of the row group.
        names: Paths of the columns.

    Raises:
        DataError: If the row group unpacks to too much whichever way it is read.
        StorageError: If it can't be read.
    """
    sizes = storage.column_sizes(path, file, group, names, _REPEATED_BYTES)
    num_values = max((size.num_values for size in sizes), default=0)
    if num_values > max(_SURELY_FINE_VALUES, path.stat().st_size):
        raise _too_much(path, f"{num_values:,} values in row group {group}")
    num_bytes = sum(size.page_bytes + size.shared_bytes for size in sizes)
    stored_bytes = sum(size.stored_bytes for size in sizes)
    if num_bytes > max(_SURELY_FINE_BYTES, _MAX_RATIO * stored_bytes):
        raise _too_much(path, f"{num_bytes:,} bytes of {stored_bytes:,} in row group {group}")
    return sum(size.repeated_bytes for size in sizes) > _REPEATED_BYTES


def _most_bytes(path: Path) -> int:
    """Returns how many bytes the rows of a file may hold in all, where values are repeated."""
    return max(_SURELY_FINE_BYTES, _MAX_RATIO * path.stat().st_size)


def _too_much(path: Path, seen: str) -> DataError:
    """Returns the error for a file that unpacks to too much."""
    return source_error(
        SourceFault.UNPACKS,
        f"{path}: {seen}",
        fix="Check where it comes from, or convert it to JSON lines.",
    )
