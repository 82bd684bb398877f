"""Tables of text, comma- or tab-separated: a row for each line behind the one that names columns.

A cell may hold line breaks between quotes, so that such a file is read from its beginning.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from palo.corpus.sources import rows as byte_limits
from palo.corpus.sources.rows import UTF8_BOM, RawRow, source_error
from palo.data.row_images import can_hold_rows
from palo.reasons import Reason, SourceFault

TABLE_ENDINGS = (".csv", ".tsv")

_DELIMITERS = ("\t", ",", ";", "|")
_MAX_HEADER = 1 << 16
_SHOWN = 80


def read_table(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    """Reads the rows of a table; a row's offset is the number of its line, from 1.

    Args:
        path: The file, for messages.
        file: It, open for reading bytes.

    Raises:
        DataError: If its first line names no columns that a row needs.
    """
    header = file.readline(_MAX_HEADER).removeprefix(UTF8_BOM).decode(errors="replace")
    delimiter, columns = _columns(path, header)
    reader = csv.reader(_lines(file), delimiter=delimiter, skipinitialspace=True)
    while True:
        line = reader.line_num + 2
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a cell beyond the limit, such as behind a quote that never ends
            yield RawRow(line, b"", Reason.TOO_LARGE)
            continue
        if any(cells):
            yield _row(line, columns, cells)


def require_columns(path: Path, head: bytes) -> None:
    """Refuses a table whose first line names no columns that a row needs.

    Args:
        path: The file, for messages.
        head: Its first bytes.

    Raises:
        DataError: If it doesn't.
    """
    first = head[:_MAX_HEADER].removeprefix(UTF8_BOM).decode(errors="replace")
    _columns(path, first.partition("\n")[0])


def _columns(path: Path, header: str) -> tuple[str, Sequence[str]]:
    found = [(delimiter, _names(header, delimiter)) for delimiter in _DELIMITERS]
    fitting = [pair for pair in found if can_hold_rows(pair[1])]
    if not fitting:
        raise source_error(
            SourceFault.NO_COLUMNS,
            f"{path} begins with {header.strip()[:_SHOWN]!r}",
            fix="The first line must name them: image,caption or image,question,answer.",
        )
    return max(fitting, key=lambda pair: len(pair[1]))


def _names(header: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([header.strip("\r\n")], delimiter=delimiter, skipinitialspace=True), [])
    return [cell.strip().lower().replace(" ", "_") for cell in cells]


def _lines(file: BinaryIO) -> Iterator[str]:
    while line := file.readline(byte_limits.MAX_RECORD_BYTES):
        yield line.decode(errors="surrogateescape")


def _row(line: int, columns: Sequence[str], cells: Sequence[str]) -> RawRow:
    texts = [cell.strip() for cell in cells]
    # Half surrogates stand for bytes that are no UTF-8.
    data = "\t".join(texts).encode(errors="surrogateescape")[: byte_limits.KEPT_BYTES]
    if any(texts[len(columns) :]):
        return RawRow(line, data, Reason.MORE_CELLS)
    value = {name: text for name, text in zip(columns, texts, strict=False) if text}
    try:
        return RawRow(line, orjson.dumps(value), value=value)
    except TypeError:
        return RawRow(line, data, Reason.NOT_UTF8)
