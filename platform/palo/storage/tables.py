"""Parquet files: written whole or not at all, and checked when they are read.

Light: pyarrow is loaded where it is used.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from palo.errors import MismatchError, StorageError
from palo.storage.parquet_footer import END_BYTES, MAX_FOOTER_BYTES, damaged
from palo.storage.parquet_sizes import column_sizes, row_bytes
from palo.storage.paths import wrap_os_errors
from palo.storage.reading import open_regular
from palo.storage.s3_objects import S3File
from palo.storage.s3_path import S3Path
from palo.storage.writing import replacing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_SURELY_FINE_BYTES = 1 << 30
_MAX_RATIO = 200
_ROWS_PER_BATCH = 1024


def write_table(
    path: Path,
    table: "pa.Table",
    *,
    rows_per_group: int | None = None,
    repeating: Sequence[str] | None = None,
    split_bytes: Sequence[str] = (),
) -> None:
    """Writes a Parquet file, whole or not at all.

    Args:
        path: The file.
        table: What it holds.
        rows_per_group: Rows of a row group, which is the least that can be read.
        repeating: Columns that get a dictionary of their values; None for all.
        split_bytes: Columns of small numbers without one, whose high and low bytes are kept
            apart: that is faster, and they shrink more.

    Raises:
        StorageError: If it can't be written.
    """
    import pyarrow.parquet as pq

    with replacing(path) as partial:
        pq.write_table(
            table,
            partial,
            row_group_size=rows_per_group,
            compression="zstd",
            use_dictionary=True if repeating is None else list(repeating),
            use_byte_stream_split=list(split_bytes),
        )
        written = pq.read_metadata(partial).num_rows
    if written != len(table):
        raise damaged(path, f"{written} rows instead of {len(table)}")


def open_parquet(
    path: Path, schema: "pa.Schema | None" = None, *, by_dictionary: Sequence[str] = ()
) -> "pq.ParquetFile":
    """Opens a Parquet file, a local one mapped into memory; one on S3 is read in ranges.

    Args:
        path: The file.
        schema: What its columns must be; None takes any.
        by_dictionary: Columns of texts or bytes that keep a dictionary of their values in memory.

    Raises:
        MismatchError: If it has other columns.
        StorageError: If it can't be read or is damaged.
    """
    import pyarrow.parquet as pq

    options = {"read_dictionary": list(by_dictionary)} if by_dictionary else {}
    with _readable(path):
        if isinstance(path, S3Path):
            source = S3File(path.place)
            _require_small_footer(path, source)
            file = pq.ParquetFile(source, pre_buffer=True, **options)
        else:
            with open_regular(path) as opened:
                _require_small_footer(path, opened)
            file = pq.ParquetFile(path, memory_map=True, **options)
    _require_counts(path, file)
    if schema is not None and not file.schema_arrow.equals(schema):
        raise MismatchError(
            f"{path} has other columns than it should",
            seen=", ".join(file.schema_arrow.names),
            fix="Build the corpus again, in an empty folder, with this version.",
        )
    return file


def reopen_parquet(path: Path, opened: "pq.ParquetFile") -> "pq.ParquetFile":
    """Opens a file a second time, for another thread, without reading its footer again.

    Args:
        path: The file.
        opened: The same file, from `open_parquet`.
    """
    import pyarrow.parquet as pq

    source = S3File(path.place) if isinstance(path, S3Path) else path
    return pq.ParquetFile(source, metadata=opened.metadata, pre_buffer=True)


def read_table(
    path: Path,
    columns: Sequence[str] | None = None,
    schema: "pa.Schema | None" = None,
    *,
    filters: Any = None,  # noqa: ANN401 - pyarrow's own notation
) -> "pa.Table":
    """Reads a Parquet file.

    Args:
        path: The file.
        columns: Which to read; None reads all.
        schema: What its columns must be; None takes any.
        filters: Which rows to read, as pyarrow.parquet.read_table takes it; None reads all.

    Raises:
        MismatchError: If it has other columns.
        StorageError: If it can't be read or is damaged.
    """
    import pyarrow.parquet as pq

    names = None if columns is None else list(columns)
    if filters is not None:
        with open_parquet(path, schema) as file, _readable(path):
            _require_bounded(path, file, names)
            source = S3File(path.place) if isinstance(path, S3Path) else path
            return pq.read_table(source, columns=names, filters=filters, partitioning=None)
    with open_parquet(path, schema) as file, _readable(path):
        _require_bounded(path, file, names)
        return file.read(columns=names)


def leaves_of(file: "pq.ParquetFile") -> list[str]:
    """Returns the paths of a file's columns, with those in lists and structs one by one.

    Args:
        file: The open file.
    """
    return [str(file.schema.column(n).path) for n in range(len(file.schema))]


def texts_among(file: "pq.ParquetFile", names: Iterable[str]) -> list[str]:
    """Returns those of some columns that hold texts or bytes of any length.

    Args:
        file: The open file.
        names: Paths of the columns.
    """
    columns = (file.schema.column(n) for n in range(len(file.schema)))
    texts = {str(column.path) for column in columns if column.physical_type == "BYTE_ARRAY"}
    return [name for name in names if name in texts]


def _require_small_footer(path: Path, file: BinaryIO | S3File) -> None:
    """Refuses a footer that would take long to read; pyarrow says what else is wrong with it."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - END_BYTES))
    size = int.from_bytes(file.read(END_BYTES)[:4], "little")
    file.seek(0)
    if size > MAX_FOOTER_BYTES and size <= end:
        raise damaged(path, f"a footer of {size:,} bytes")


def _require_counts(path: Path, file: "pq.ParquetFile") -> None:
    """Refuses numbers of rows that can't be: readers add them up."""
    metadata = file.metadata
    rows = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    if any(count < 0 for count in rows) or sum(rows) != metadata.num_rows:
        file.close()
        raise damaged(path, f"{metadata.num_rows} rows in all, but {sum(rows)} in its groups")


def _require_bounded(path: Path, file: "pq.ParquetFile", names: Sequence[str] | None) -> None:
    """Refuses a file that would take far more memory than it has bytes.

    What lies on S3 is taken as it is: looking at every page there would cost a request each.
    """
    if isinstance(path, S3Path):
        return
    leaves = leaves_of(file)
    if names is not None:
        leaves = [leaf for leaf in leaves if leaf in names or leaf.partition(".")[0] in names]
    limit = max(_SURELY_FINE_BYTES, _MAX_RATIO * path.stat().st_size)
    left = limit
    for group in range(file.num_row_groups):
        for size in column_sizes(path, file, group, leaves, left):
            left -= size.decoded_bytes
    if left < 0 and not _fits(path, leaves, limit):
        raise StorageError(
            f"the Parquet file {path} unpacks to too much",
            seen=f"more than {limit:,} bytes",
            fix="Build or download it again.",
        )


def _fits(path: Path, leaves: Sequence[str], limit: int) -> bool:
    """Returns whether a file's values are small enough, by decoding each of them once."""
    with open_parquet(path) as plain:
        texts = texts_among(plain, leaves)
    with open_parquet(path, by_dictionary=texts) as file:
        left = limit
        for group in range(file.num_row_groups):
            sizes = column_sizes(path, file, group, leaves, limit)
            left -= sum(size.page_bytes + size.shared_bytes for size in sizes)
            if left < 0:
                return False
        for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH, columns=list(leaves)):
            left -= int(row_bytes(batch).sum())
            if left < 0:
                return False
    return True


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        with wrap_os_errors("read", path):
            yield
    # A name may not be UTF-8, and Ray Data registers types of columns that raise whatever they like
    # at foreign metadata.
    except (pa.ArrowException, ValueError, TypeError, LookupError) as error:
        raise damaged(path, error) from error
