"""A reviewer's file as an Excel workbook, whose texts are never formulas."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palo import storage
from palo.errors import DataError
from palo.translate.review.offline.columns import COLUMNS, FOR_REVIEWERS, READABLE, FileRow
from palo.translate.review.offline.formulas import for_xlsx, from_xlsx
from palo.translate.review.verdict import OPINIONS

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

_WIDTHS = {"source": 50, "translation": 50, "corrected": 60, "doubt": 30, "note": 30, "id": 24}
_MAX_UNPACKED_BYTES = 512 << 20
_TITLE = "review"


def write_workbook(path: Path, rows: Sequence[Mapping[str, str]], *, right_to_left: bool) -> None:
    """Writes a workbook with one sheet.

    Args:
        path: The file.
        rows: Cells by column.
        right_to_left: Whether the sheet begins on the right.

    Raises:
        StorageError: If it can't be written.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet: Worksheet = book.create_sheet(_TITLE, 0)
    book.remove(book.worksheets[1])
    sheet.sheet_view.rightToLeft = right_to_left
    sheet.append(list(COLUMNS))
    wrapped, bold = Alignment(wrap_text=True, vertical="top"), Font(bold=True)
    to_fill = PatternFill("solid", fgColor="FFF8E1")
    for place, name in enumerate(COLUMNS, start=1):
        sheet.cell(1, place).font = bold
        width = sheet.column_dimensions[get_column_letter(place)]
        width.width = _WIDTHS.get(name, 12)
        width.hidden = name not in READABLE
    for row_number, row in enumerate(rows, start=2):
        for place, name in enumerate(COLUMNS, start=1):
            cell = sheet.cell(row_number, place)
            cell.value = for_xlsx(row[name])
            cell.data_type = "s"  # a text that begins with = is one, too
            cell.quotePrefix = True  # and stays one when somebody edits it
            cell.alignment = wrapped
            if name in FOR_REVIEWERS:
                cell.fill = to_fill
    sheet.freeze_panes = "A2"
    choice = DataValidation(type="list", formula1=f'"{",".join(OPINIONS)}"', allow_blank=True)
    letter = get_column_letter(COLUMNS.index("decision") + 1)
    choice.add(f"{letter}2:{letter}{max(2, len(rows) + 1)}")
    sheet.add_data_validation(choice)
    with storage.replacing(path) as partial:
        book.save(partial)


def read_workbook(path: Path) -> Iterator[FileRow]:
    """Yields the rows of a workbook's first sheet.

    Raises:
        DataError: If it is no workbook, unpacks to too much, or lacks a column.
        StorageError: If it can't be read.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    from palo.translate.review.offline.files import require_columns

    try:
        with storage.explained("read", path), zipfile.ZipFile(path) as packed:
            size_bytes = sum(entry.file_size for entry in packed.infolist())
        if size_bytes > _MAX_UNPACKED_BYTES:
            raise DataError(f"{path} unpacks to too much", seen=f"{size_bytes:,} bytes")
        book = load_workbook(path, read_only=True)
        sheet = book.worksheets[0]
        lines = iter(sheet.iter_rows())
        names = [str(cell.value or "").strip() for cell in next(lines, ())]
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, IndexError) as error:
        raise DataError(
            f"{path} is no Excel workbook", seen=error, fix="Save it as .xlsx, not .xls."
        ) from error
    require_columns(path, names)
    for number, cells in enumerate(lines, start=1):
        if any(cell.value is not None for cell in cells):
            yield _row(number, dict(zip(names, cells, strict=False)))
    book.close()


def _row(number: int, cells: "Mapping[str, Cell | MergedCell]") -> FileRow:
    texts = dict.fromkeys(COLUMNS, "")  # empty cells at the end of a row aren't written at all
    problems = []
    for name, cell in cells.items():
        value = cell.value
        if cell.data_type == "f":
            problems.append(f"{name} is a formula: {value!r:.40}")
        elif value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
            texts[name] = "" if value is None else from_xlsx(str(value))
        else:
            problems.append(f"{name} was made a {type(value).__name__}: {value!s:.40}")
    return FileRow(number=number, cells=texts, problems=tuple(problems))
