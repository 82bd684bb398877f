"""The columns of a reviewer's file, the same in every format, and texts that cells can hold.

Source for formulas: OWASP, CSV injection; for characters: ECMA-376, part 1, 22.9.2.19 (ST_Xstring).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo.errors import DataError
from palo.translate.review.item import Item

_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_WRITTEN = re.compile(r"_x([0-9A-Fa-f]{4})_")

COLUMNS = (
    "row", "id", "turn", "role", "source", "translation", "corrected", "decision", "tags", "note",
    "doubt", "language", "version", "edition",
)  # fmt: skip
FOR_REVIEWERS = frozenset(("corrected", "decision", "tags", "note"))
"""Columns for reviewers to fill in."""
READABLE = frozenset(("source", "translation", "doubt")) | FOR_REVIEWERS
"""Columns for reviewers to read; the others are for the import."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRow:
    """A row as a file holds it.

    Attributes:
        number: Its place in the file, from 1 for the row below the names of the columns.
        cells: Texts by column; a column without a text is missing.
        problems: Faults of single cells, in plain English.
    """

    number: int
    cells: Mapping[str, str]
    problems: tuple[str, ...] = ()


def require_columns(path: Path, names: Sequence[str]) -> None:
    """Refuses a table without the columns that are needed.

    Args:
        path: File of the table.
        names: Names of its columns.

    Raises:
        DataError: If one is missing.
    """
    if missing := [name for name in COLUMNS if name not in names]:
        raise DataError(
            f"{path} has not the columns of a review",
            seen=f"missing: {', '.join(missing)}",
            fix="Keep the first row of the file as it was given to you.",
        )


def rows_of(items: Iterable[Item], reviewer: str = "") -> list[dict[str, str]]:
    """Returns the cells of all rows, in the order of the items.

    Args:
        items: The translations.
        reviewer: Name of the reviewer whose earlier corrections the rows hold, if there are any.
    """
    rows = [row for item in items for row in _rows_of_one(item, reviewer)]
    return [{"row": f"{number}/{len(rows)}", **row} for number, row in enumerate(rows, start=1)]


def _rows_of_one(item: Item, reviewer: str) -> list[dict[str, str]]:
    translated = item.translated
    earlier = item.latest.get(reviewer)
    texts = earlier.texts if earlier else translated.texts
    rows = []
    for number, turn in enumerate(translated.source.turns):
        doubts = [g.reason for g in translated.checks if g.reason and g.turn in (number, None)]
        first = number == 0
        rows.append(
            {
                "id": item.key,
                "turn": f"{number + 1}/{len(translated.texts)}",
                "role": turn.role,
                "source": turn.text,
                "translation": translated.texts[number],
                "corrected": texts[number],
                "decision": earlier.outcome if earlier and first else "",
                "tags": " ".join(earlier.tags) if earlier and first else "",
                "note": earlier.note if earlier and first else "",
                "doubt": "\n".join(doubts),
                "language": item.language,
                "version": str(item.version),
                "edition": item.edition,
            }
        )
    return rows


def as_text_cell(text: str) -> str:
    """Returns a text with an apostrophe before a formula, which a spreadsheet would calculate.

    Args:
        text: The text.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_text_cell(cell: str) -> str:
    """Returns the text that `as_text_cell` was given; others are left as they are.

    Args:
        cell: The text of the cell.
    """
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def for_xlsx(text: str) -> str:
    """Returns a text whose control characters are written as XLSX wants them.

    Args:
        text: The text.
    """
    return _UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def from_xlsx(cell: str) -> str:
    """Returns the text that `for_xlsx` was given.

    Args:
        cell: The text of the cell.
    """
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), cell)
