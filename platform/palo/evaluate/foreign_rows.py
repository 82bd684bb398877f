"""Rows of answers and reviews that other programs wrote, in the forms that they come in.

JSON lines, a JSON array, or an object with a list of rows. A program that was stopped leaves half a
line at the end of its file: that line is set aside, and counted.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import storage
from palo.errors import DataError, StorageError
from palo.evaluate.benches.rows import Row, read_rows

# Fields that hold the rows where a file is one object; lmms-eval's first logs have "logs".
_LISTS = ("logs", "samples", "answers", "reviews", "results", "data")
CUT_LINE = "last lines that were cut off"


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignRows:
    """The rows of a file.

    Attributes:
        rows: The rows.
        defects: How many lines were set aside, by what is wrong with them.
    """

    rows: tuple[Row, ...]
    defects: Mapping[str, int]


def read_foreign_rows(path: Path) -> ForeignRows:
    """Reads the rows of a file that another program wrote.

    Args:
        path: JSON lines, or one JSON value.

    Raises:
        DataError: If a row is no object, or a JSON value holds no rows.
        StorageError: If the file can't be read or is not JSON.
    """
    # Names of files don't always say which of the two they are.
    readers = [_read_lines, _read_whole]
    try:
        return readers[path.suffix == ".json"](path)
    except (DataError, StorageError) as error:
        try:
            return readers[path.suffix != ".json"](path)
        except (DataError, StorageError):
            raise error from None


def _read_lines(path: Path) -> ForeignRows:
    defects: Counter[str] = Counter()
    rows = read_rows(path, on_cut=lambda: defects.update([CUT_LINE]))
    if defects and not rows:
        rows = read_rows(path)  # tells what is wrong with the only line
    return ForeignRows(rows=tuple(rows), defects=defects)


def _read_whole(path: Path) -> ForeignRows:
    return ForeignRows(rows=_rows_of(path, storage.read_json(path)), defects={})


def _rows_of(path: Path, values: Any) -> tuple[Row, ...]:  # noqa: ANN401 - JSON values
    if isinstance(values, Mapping):
        lists = (values[name] for name in _LISTS if isinstance(values.get(name), list))
        values = next(lists, [values])
    if not isinstance(values, list):
        raise DataError(
            f"{path} holds no rows",
            seen=type(values).__name__,
            fix="Write JSON lines, a list of objects, or an object with such a list.",
        )
    rows = [Row(path, number, value) for number, value in enumerate(values, 1)]
    for row in rows:
        if not isinstance(row.values, Mapping):
            raise row.wrong("is not an object", row.values)
    return tuple(rows)
