"""A reviewer's file as an Excel workbook, whose texts are never formulas."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palo import storage
from palo.errors import DataError
from palo.translate.review.decision import OPINIONS
from palo.translate.review.offline.columns import (
    COLUMNS,
    FOR_REVIEWERS,
    READABLE,
    FileRow,
    require_columns,
)
from palo.translate.review.offline.formulas import for_xlsx, from_xlsx
from palo.translate.review.offline.packed import require_modest

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

_WIDTHS = {"source": 50, "translation": 50, "corrected": 60, "doubt": 30, "note": 30, "id": 24}
_MAX_ROWS = 1 << 16
_MAX_COLUMNS = 64
# openpyxl has an exception of its own for what is no workbook, and others for what is damaged.
_NO_WORKBOOK = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
)
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

    try:
        require_modest(path)
        with storage.wrap_os_errors("read", path):
            book = load_workbook(path, read_only=True, keep_links=False)
        # Whatever size the sheet claims to have: one row more than it may have is looked for.
        lines = book.worksheets[0].iter_rows(max_row=_MAX_ROWS + 1, max_col=_MAX_COLUMNS)
        names = [str(cell.value or "").strip() for cell in next(lines, ())]
        require_columns(path, names)
        for number, cells in enumerate(lines, start=1):
            if all(cell.value is None for cell in cells):
                continue
            if number >= _MAX_ROWS:
                raise DataError(
                    f"{path} has too many rows",
                    seen=f"more than {_MAX_ROWS - 1:,}",
                    fix="Split it into several files.",
                )
            yield _row(
                number, {name: cell for name, cell in zip(names, cells, strict=True) if name}
            )
        book.close()
    except (*_NO_WORKBOOK, InvalidFileException) as error:
        raise DataError(
            f"{path} is no Excel workbook",
            seen=f"{error!s:.200}",
            fix="Save it as .xlsx, not .xls.",
        ) from error


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
