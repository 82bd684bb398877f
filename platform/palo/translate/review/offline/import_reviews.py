"""Imports a reviewer's file: valid rows are saved, the others are reported one by one."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from palo import storage
from palo.errors import PaloError
from palo.translate.review.decision import OUTCOMES, ReviewDecision
from palo.translate.review.item import Item
from palo.translate.review.offline.columns import FileRow
from palo.translate.review.offline.files import read_rows
from palo.translate.review.store import ReviewStore

ImportStatus = Literal["saved", "known", "undecided", "refused", "missing"]
_FOLDER = "imports"
_COUNTED = re.compile(r"(\d{1,9})/(\d{1,9})")
_MOST_MISSING = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedRow:
    """The result for the rows of one translation, or for a row that belongs to none.

    Attributes:
        rows: Their numbers in the file, from 1; for missing ones, those that they had.
        key: The translation's id; empty if it isn't known.
        status: `known` was saved before in the same words.
        reason: Why it wasn't saved, in plain English.
    """

    rows: tuple[int, ...]
    key: str
    status: ImportStatus
    reason: str = ""


def import_reviews(
    store: ReviewStore, path: Path, reviewer: str, *, independent: bool = False
) -> list[ImportedRow]:
    """Saves the decisions of a reviewer's file.

    The file itself and the result for each row are kept in the review's folder.

    Args:
        store: The review.
        path: The file.
        reviewer: Name of its reviewer.
        independent: Saves decisions beside those of others, even if others have reviewed a
            translation since the file was written.

    Returns:
        The result for each row.

    Raises:
        DataError: If it isn't a reviewer's file at all.
        StorageError: If it can't be read, or the folder not be written.
    """
    rows = read_rows(path)
    kept = store.folder / _FOLDER / f"{storage.file_hash(path)[:16]}{path.suffix}"
    storage.write_bytes(kept, storage.read_bytes(path))
    store.refresh()
    groups: dict[str, list[FileRow]] = {}
    imported = []
    for row in rows:
        if key := row.cells.get("id", ""):
            groups.setdefault(key, []).append(row)
        else:
            why = "; ".join(row.problems) or "it has no id"
            imported.append(ImportedRow(rows=(row.number,), key="", status="refused", reason=why))
    for key, group in groups.items():
        imported.append(_import_one(store, key, group, reviewer, independent=independent))
    imported += _missing(rows)
    lines = (json.dumps(asdict(one), ensure_ascii=False) for one in imported)
    storage.write_text(kept.with_suffix(".report.jsonl"), "".join(f"{line}\n" for line in lines))
    return imported


def _import_one(
    store: ReviewStore, key: str, rows: Sequence[FileRow], reviewer: str, *, independent: bool
) -> ImportedRow:
    numbers = tuple(row.number for row in rows)

    def result(status: ImportStatus, reason: str = "") -> ImportedRow:
        return ImportedRow(rows=numbers, key=key, status=status, reason=reason)

    item = store.find(key)
    if item is None:
        return result("refused", "nothing of this id is under review")
    if faults := list(_faults(item, rows)):
        return result("refused", "; ".join(faults))
    by_turn = {_turn(row): row for row in rows}
    ordered = [by_turn[number] for number in range(len(item.translated.texts))]
    texts = tuple(
        _as_before(row.cells["corrected"], before)
        for row, before in zip(ordered, item.translated.texts, strict=True)
    )
    outcome = "".join({_decision(row) for row in rows} - {""})
    tags = sorted({tag for row in rows for tag in row.cells["tags"].replace(",", " ").split()})
    note = "\n".join(row.cells["note"] for row in ordered if row.cells["note"].strip())
    if not outcome:
        if texts == item.translated.texts and not tags and not note:
            return result("undecided")
        return result("refused", "something was changed, but the decision is empty")
    decision = ReviewDecision(
        key=key,
        edition=rows[0].cells["edition"],
        reviewer=reviewer,
        outcome="accept" if outcome == "accept" else "reject",
        texts=texts,
        tags=tuple(tags),
        note=note,
    )
    if _is_known(item, decision):
        return result("known")
    try:
        store.save(decision, seen_version=int(rows[0].cells["version"]), independent=independent)
    except PaloError as error:
        return result("refused", str(error))
    return result("saved")


def _faults(item: Item, rows: Sequence[FileRow]) -> Iterator[str]:
    """Yields what makes the rows of one translation unusable."""
    for row in rows:
        yield from (f"row {row.number}: {problem}" for problem in row.problems)
    if any(row.problems for row in rows):
        return
    number_of_turns = len(item.translated.texts)
    turns = [_turn(row) for row in rows]
    for number in range(number_of_turns):
        if (count := turns.count(number)) != 1:
            yield f"turn {number + 1} is {'missing' if not count else 'there more than once'}"
    for row, turn in zip(rows, turns, strict=True):
        if turn is None or turn >= number_of_turns:
            yield f"row {row.number}: there is no turn {row.cells['turn'][:20]!r}"
            continue
        known = {
            "source": item.translated.source.turns[turn].text,
            "translation": item.translated.texts[turn],
            "language": item.language,
        }
        for name, text in known.items():
            if row.cells["edition"] == item.edition and _plain(row.cells[name]) != _plain(text):
                yield f"row {row.number}: {name} was changed, or its encoding is broken"
        if _decision(row) not in ("", *OUTCOMES):
            yield f"row {row.number}: decision is {row.cells['decision'][:20]!r}"
        if not re.fullmatch(r"\d{1,9}", row.cells["version"]):
            yield f"row {row.number}: version is {row.cells['version'][:20]!r}"
    for name in ("version", "edition"):
        if len({row.cells[name] for row in rows}) > 1:
            yield f"its rows have different values of {name}"
    if len({_decision(row) for row in rows} - {""}) > 1:
        yield "its rows have different decisions"


def _turn(row: FileRow) -> int | None:
    found = _COUNTED.fullmatch(row.cells.get("turn", ""))
    return int(found[1]) - 1 if found and int(found[1]) else None


def _decision(row: FileRow) -> str:
    return row.cells.get("decision", "").strip().lower()


def _plain(text: str) -> str:
    """Returns a text without what spreadsheets change by themselves: line ends, and outer space."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _as_before(text: str, before: str) -> str:
    """Returns a corrected text; the one before if nothing but line ends and outer space differs."""
    return before if _plain(text) == _plain(before) else text.replace("\r\n", "\n")


def _is_known(item: Item, decision: ReviewDecision) -> bool:
    earlier = item.latest.get(decision.reviewer)
    return earlier is not None and (earlier.outcome, earlier.texts, earlier.tags, earlier.note) == (
        decision.outcome,
        decision.texts,
        decision.tags,
        decision.note,
    )


def _missing(rows: Sequence[FileRow]) -> list[ImportedRow]:
    """Finds the rows that the file had when it was written."""
    counted = [_COUNTED.fullmatch(row.cells.get("row", "")) for row in rows]
    there = {int(found[1]) for found in counted if found}
    total = max((int(found[2]) for found in counted if found), default=0)
    if len(there) >= total or total > _MOST_MISSING:
        return []
    reason = "the row was in the file when it was written"
    return [
        ImportedRow(rows=(number,), key="", status="missing", reason=reason)
        for number in range(1, total + 1)
        if number not in there
    ]
