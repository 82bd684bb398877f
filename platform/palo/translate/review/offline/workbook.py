"""A reviewer's file as an Excel workbook, whose texts are never formulas.

A workbook is a zip of XML, a few bytes of which unpack to gigabytes, or name an entity that does:
its parts are checked before a reader makes objects of them.
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from palo import storage
from palo.errors import DataError
from palo.translate.review.decision import OUTCOMES
from palo.translate.review.offline.columns import (
    COLUMNS,
    FOR_REVIEWERS,
    READABLE,
    FileRow,
    for_xlsx,
    from_xlsx,
    require_columns,
)

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
_MAX_PARTS = 2048
_MAX_BYTES = 256 << 20
_MAX_SMALL_BYTES = 2 << 20
"""Of all parts but those with the cells and their texts: styles, names, relations."""
_MAX_MARKS = 6_000_000
"""Tags and attributes: each becomes an object."""
_LARGE = ("xl/worksheets/", "xl/sharedstrings")
_CHUNK_BYTES = 1 << 20
_BEFORE_XML = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"
_MARKS = (b"<", b'="', b"='")
# No program writes a document type into a workbook, and entities need one.
_TYPES = tuple("<!D".encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be"))


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
            cell.quotePrefix = True  # and stays one when it is edited
            cell.alignment = wrapped
            if name in FOR_REVIEWERS:
                cell.fill = to_fill
    sheet.freeze_panes = "A2"
    choice = DataValidation(type="list", formula1=f'"{",".join(OUTCOMES)}"', allow_blank=True)
    letter = get_column_letter(COLUMNS.index("decision") + 1)
    choice.add(f"{letter}2:{letter}{max(2, len(rows) + 1)}")
    sheet.add_data_validation(choice)
    with storage.replacing(path) as partial:
        book.save(partial)


def read_workbook(path: Path) -> Iterator[FileRow]:
    """Yields the rows of a workbook's first sheet.

    Args:
        path: The file.

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


def require_modest(path: Path) -> None:
    """Refuses a workbook that unpacks to too much, or declares a document type.

    Args:
        path: The file.

    Raises:
        BadZipFile: If it is no zip, or a part is damaged.
        DataError: If it is such a one.
        StorageError: If it can't be read.
    """
    with storage.wrap_os_errors("read", path), zipfile.ZipFile(path) as packed:
        entries = packed.infolist()
        num_bytes = sum(entry.file_size for entry in entries)
        if len(entries) > _MAX_PARTS or num_bytes > _MAX_BYTES:
            raise _too_much(path, f"{len(entries):,} parts of {num_bytes:,} bytes")
        num_small = num_marks = 0
        for entry in entries:
            is_large = entry.filename.lower().startswith(_LARGE)
            for chunk in _xml_of(packed, entry):
                num_small += 0 if is_large else len(chunk)
                num_marks += sum(map(chunk.count, _MARKS))
                if num_small > _MAX_SMALL_BYTES:
                    raise _too_much(path, f"more than {_MAX_SMALL_BYTES:,} bytes besides its cells")
                if num_marks > _MAX_MARKS:
                    raise _too_much(path, f"more than {_MAX_MARKS:,} tags and attributes")
                if any(mark in chunk for mark in _TYPES):
                    raise DataError(
                        f"{path} declares a document type",
                        seen=entry.filename[:80],
                        fix="Save it again with a spreadsheet program.",
                    )


def _xml_of(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yields what a part unpacks to if it is XML, whatever its name.

    Each chunk begins with the last bytes of the one before, in which a mark may begin.
    """
    with packed.open(entry) as part:
        before = b""
        while data := part.read(_CHUNK_BYTES):
            if not before and not data.lstrip(_BEFORE_XML).startswith(b"<"):
                return
            yield before + data
            before = data[-5:]


def _too_much(path: Path, seen: str) -> DataError:
    return DataError(f"{path} unpacks to too much", seen=seen, fix="Split it into several files.")
