"""Writing and reading a reviewer's file; its ending names the format."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from palo import languages, storage
from palo.errors import DataError
from palo.translate.review.offline.columns import (
    COLUMNS,
    FileRow,
    as_text_cell,
    from_text_cell,
    require_columns,
)

FORMATS = (".csv", ".xlsx", ".jsonl")
MAX_FILE_BYTES = 64 << 20
"""Largest file that is read."""
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))
_DELIMITERS = ",;\t"
_LONGEST_FIELD = 1 << 20


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Writes a reviewer's file.

    Args:
        path: Its ending is one of `FORMATS`.
        rows: Cells by column.

    Raises:
        DataError: If its ending is another one.
        StorageError: If it can't be written.
    """
    _require_format(path)
    if path.suffix == ".xlsx":
        from palo.translate.review.offline.workbook import write_workbook

        codes = {row["language"] for row in rows}
        rtl = bool(codes) and all(languages.get(code).direction == "rtl" for code in codes)
        write_workbook(path, rows, right_to_left=rtl)
    elif path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        storage.write_text(path, "".join(f"{line}\n" for line in lines))
    else:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows([as_text_cell(row[name]) for name in COLUMNS] for row in rows)
        # The mark tells spreadsheets that it is UTF-8; they would guess otherwise.
        storage.write_bytes(path, text.getvalue().encode("utf-8-sig"))


def read_rows(path: Path) -> list[FileRow]:
    """Reads a reviewer's file.

    Args:
        path: The file.

    Raises:
        DataError: If it is too large, its ending is unknown, or it isn't such a file at all: what
            is wrong with a single row is message in the row.
        StorageError: If it can't be read.
    """
    _require_format(path)
    with storage.wrap_os_errors("read", path):
        size_bytes = path.stat().st_size
    if size_bytes > MAX_FILE_BYTES:
        raise DataError(
            f"{path} is too large",
            seen=f"{size_bytes:,} bytes",
            fix=f"Split it into files of at most {MAX_FILE_BYTES:,} bytes.",
        )
    if path.suffix == ".xlsx":
        from palo.translate.review.offline.workbook import read_workbook

        return list(read_workbook(path))
    text = _decoded(storage.read_bytes(path))
    return list(_lines_of(text) if path.suffix == ".jsonl" else _table_of(path, text))


def _require_format(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise DataError(
            "a reviewer's file has another ending", seen=path, fix=f"Use {', '.join(FORMATS)}."
        )


def _decoded(data: bytes) -> str:
    """Decodes what can be; other bytes become replacement characters, which are message by row."""
    encoding = next(name for mark, name in _BOMS if data.startswith(mark))
    return data.decode(encoding, "replace")


def _table_of(path: Path, text: str) -> Iterator[FileRow]:
    head = text.split("\n", 1)[0]
    # Spreadsheets write what their country uses.
    delimiter = max(_DELIMITERS, key=head.count)
    csv.field_size_limit(_LONGEST_FIELD)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(table, [])]
        require_columns(path, names)
        for number, cells in enumerate(table, start=1):
            if any(cells):
                problems = () if len(cells) == len(names) else (f"it has {len(cells)} cells",)
                found = dict(zip(names, map(from_text_cell, cells), strict=False))
                yield FileRow(number=number, cells=found, problems=problems)
    except csv.Error as error:
        raise DataError(
            f"line {table.line_num} of {path} is no row of a table",
            seen=error,
            fix="Save it again as CSV in UTF-8.",
        ) from error


def _lines_of(text: str) -> Iterator[FileRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield FileRow(number=number, cells={}, problems=(f"it is not JSON: {error}",))
            continue
        if not isinstance(values, dict):
            yield FileRow(number=number, cells={}, problems=("it is no object with fields",))
            continue
        wrong = [name for name in COLUMNS if not isinstance(values.get(name), str)]
        yield FileRow(
            number=number,
            cells={name: value for name, value in values.items() if isinstance(value, str)},
            problems=tuple(f"{name} is missing or no text" for name in wrong),
        )
