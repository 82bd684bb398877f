"""Parquet files: written whole or not at all, and read only if they are what they should be.

Light: pyarrow is loaded where it is used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo.errors import MismatchError, StorageError
from palo.storage.explained import explained
from palo.storage.s3_file import S3File
from palo.storage.s3_path import S3Path
from palo.storage.writing import replacing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


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
        raise _damaged(path, f"{written} rows instead of {len(table)}")


def open_parquet(path: Path, schema: "pa.Schema | None" = None) -> "pq.ParquetFile":
    """Opens a Parquet file, a local one mapped into memory; one on S3 is read in ranges.

    Args:
        path: The file.
        schema: What its columns must be; None takes any.

    Raises:
        MismatchError: If it has other columns.
        StorageError: If it can't be read or is damaged.
    """
    import pyarrow.parquet as pq

    with _readable(path):
        if isinstance(path, S3Path):
            file = pq.ParquetFile(S3File(path.place), pre_buffer=True)
        else:
            file = pq.ParquetFile(path, memory_map=True)
    if schema is not None and not file.schema_arrow.equals(schema):
        raise MismatchError(
            f"{path} has other columns than it should",
            seen=", ".join(file.schema_arrow.names),
            fix="Build the corpus again, in an empty folder, with this version.",
        )
    return file


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
        with _readable(path):
            source = S3File(path.place) if isinstance(path, S3Path) else path
            return pq.read_table(source, columns=names, filters=filters, partitioning=None)
    with open_parquet(path, schema) as file, _readable(path):
        return file.read(columns=names)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        with explained("read", path):
            yield
    except pa.ArrowInvalid as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, seen: str) -> StorageError:
    return StorageError(
        f"the Parquet file {path} is damaged",
        seen=seen.splitlines()[0],
        fix="Delete it and run the same command again.",
    )
