"""Parallel text in tables: a column for each language, which the first line names.

Cells of tab-separated files have no quotes around them, as public corpora ship them: in text, a
quotation mark is a quotation mark.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from palo.corpus.parallel.lines import TextFault, TextLine, known_code, text_lines
from palo.errors import DataError

TABLE_ENDINGS = (".tsv", ".csv")
_SHOWN = 80


def read_table(path: Path, languages: Sequence[str]) -> Iterator[TextLine]:
    """Reads the rows of a table.

    Args:
        path: The file.
        languages: Codes of its columns, where its first line doesn't name them.

    Raises:
        DataError: If neither names a known language, or rows have fewer columns.
        StorageError: If it can't be read.
    """
    rows = _csv_rows(path) if ".csv" in path.suffixes[-2:] else _tsv_rows(path)
    columns: Sequence[str | None] = ()
    for number, cells in enumerate(rows, 1):
        if isinstance(cells, TextFault):
            yield TextLine(number, fault=cells)
            continue
        if not columns:
            named = [known_code(cell.strip()) for cell in cells]
            is_header = any(named) and (not languages or named == list(languages))
            columns = named if is_header else languages
            _require_columns(path, columns, cells)
            if is_header:
                continue
        yield _line(number, columns, cells)


def _require_columns(path: Path, columns: Sequence[str | None], cells: Sequence[str]) -> None:
    shown = " | ".join(cells)[:_SHOWN]
    if not columns:
        raise DataError(
            f"{path} doesn't say which languages its columns are in",
            seen=f"its first line is {shown!r}",
            fix="Name them there, such as en<TAB>ur, or give --parallel.languages en ur.",
        )
    if len(cells) < len(columns):
        raise DataError(
            f"{path} has fewer columns than languages were given",
            seen=f"{len(cells)} in {shown!r}, not {len(columns)}",
            fix="Name the language of each column, in their order.",
        )


def _line(number: int, columns: Sequence[str | None], cells: Sequence[str]) -> TextLine:
    if len(cells) < len(columns):
        return TextLine(number, fault=TextFault.EMPTY, detail=f"{len(cells)} columns")
    # Columns behind those are scores and sources of the sentences.
    pairs = zip(columns, cells, strict=False)
    return TextLine(number, {code: cell.strip() for code, cell in pairs if code is not None})


def _tsv_rows(path: Path) -> Iterator[list[str] | TextFault]:
    for line in text_lines(path):
        yield line if isinstance(line, TextFault) else line.split("\t")


def _csv_rows(path: Path) -> Iterator[list[str] | TextFault]:
    # A line that can't be read stands for itself: half surrogates are no cell of a table.
    lines = (f"{line}\n" if type(line) is str else f"\ud800{line}\n" for line in text_lines(path))
    reader = csv.reader(lines, skipinitialspace=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a cell beyond the limit, such as behind a quote that never ends
            yield TextFault.TOO_LONG
            continue
        if cells and cells[0].startswith("\ud800"):
            yield TextFault(cells[0][1:])
        else:
            yield cells
