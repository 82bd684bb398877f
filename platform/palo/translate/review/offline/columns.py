"""The columns of a reviewer's file, the same in every format."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palo.errors import DataError
from palo.translate.review.item import Item

COLUMNS = (
    "row", "id", "turn", "role", "source", "translation", "corrected", "decision", "tags", "note",
    "doubt", "language", "version", "edition",
)  # fmt: skip
FOR_REVIEWERS = frozenset(("corrected", "decision", "tags", "note"))
"""What people change."""
READABLE = frozenset(("source", "translation", "doubt")) | FOR_REVIEWERS
"""What people read; the rest is for the way back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRow:
    """A row as a file holds it.

    Attributes:
        number: Its place in the file, from 1 for the row below the names of the columns.
        cells: Texts by column; a column without a text is missing.
        problems: What is wrong with single cells, in plain English.
    """

    number: int
    cells: Mapping[str, str]
    problems: tuple[str, ...] = ()


def require_columns(path: Path, names: Sequence[str]) -> None:
    """Refuses a table without the columns that are needed.

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
        items: What is to be reviewed.
        reviewer: Whose corrections so far stand in the rows, if there are any.
    """
    rows = [row for item in items for row in _rows_of_one(item, reviewer)]
    return [{"row": f"{number}/{len(rows)}", **row} for number, row in enumerate(rows, start=1)]


def _rows_of_one(item: Item, reviewer: str) -> list[dict[str, str]]:
    translated = item.translated
    said = item.latest.get(reviewer)
    texts = said.texts if said else translated.texts
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
                "decision": said.opinion if said and first else "",
                "tags": " ".join(said.tags) if said and first else "",
                "note": said.note if said and first else "",
                "doubt": "\n".join(doubts),
                "language": item.language,
                "version": str(item.version),
                "edition": item.edition,
            }
        )
    return rows
