"""What a Parquet file of somebody else's may ask for, by the headers of its pages."""

from pathlib import Path
from typing import TYPE_CHECKING

from palo import storage
from palo.corpus.sources.rows import source_error
from palo.errors import DataError
from palo.reasons import SourceFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow.parquet as pq

_SURELY_FINE_ROWS = 1 << 16
_SURELY_FINE_VALUES = 1 << 20
_SURELY_FINE_BYTES = 512 << 20
_REPEATED_BYTES = 256 << 20
_MAX_RATIO = 100


def require_few_rows(path: Path, num_rows: int) -> None:
    """Refuses a file that has more rows than bytes: each would cost time, and say nothing new.

    Raises:
        DataError: If it has.
    """
    if num_rows > max(_SURELY_FINE_ROWS, path.stat().st_size):
        raise too_much(path, f"{num_rows:,} rows")


def needs_dictionary(
    path: Path, file: "pq.ParquetFile", group: int, names: "Sequence[str]"
) -> bool:
    """Tells whether columns of a row group must keep dictionaries of their values when decoded.

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
        raise too_much(path, f"{num_values:,} values in row group {group}")
    num_bytes = sum(size.page_bytes + size.shared_bytes for size in sizes)
    stored_bytes = sum(size.stored_bytes for size in sizes)
    if num_bytes > max(_SURELY_FINE_BYTES, _MAX_RATIO * stored_bytes):
        raise too_much(path, f"{num_bytes:,} bytes of {stored_bytes:,} in row group {group}")
    return sum(size.repeated_bytes for size in sizes) > _REPEATED_BYTES


def most_bytes(path: Path) -> int:
    """Returns how much the rows of a file may hold in all, where values are repeated."""
    return max(_SURELY_FINE_BYTES, _MAX_RATIO * path.stat().st_size)


def too_much(path: Path, seen: str) -> DataError:
    """Returns the error that a file unpacks to too much."""
    return source_error(
        SourceFault.UNPACKS,
        f"{path}: {seen}",
        fix="Check where it comes from, or convert it to JSON lines.",
    )
