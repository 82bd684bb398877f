"""Takes a reviewer's file back: what is right is saved, everything else is told row by row."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from palo import storage
from palo.errors import PaloError
from palo.translate.review.decision import OPINIONS, ReviewDecision
from palo.translate.review.item import Item
from palo.translate.review.offline.columns import FileRow
from palo.translate.review.offline.files import read_rows
from palo.translate.review.store import ReviewStore

Fate = Literal["saved", "known", "undecided", "refused", "missing"]
_FOLDER = "imports"
_COUNTED = re.compile(r"(\d{1,9})/(\d{1,9})")
_MOST_MISSING = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RowFate:
    """What became of the rows of one translation, or of a row that belongs to none.

    Attributes:
        rows: Their numbers in the file, from 1; for missing ones, those that they had.
        key: The translation's id; empty if it isn't known.
        fate: `known` was saved before in the same words.
        reason: Why it wasn't saved, in plain English.
    """

    rows: tuple[int, ...]
    key: str
    fate: Fate
    reason: str = ""


def import_reviews(
    store: ReviewStore, path: Path, reviewer: str, *, independent: bool = False
) -> list[RowFate]:
    """Saves the verdicts of a reviewer's file.

    The file itself and what became of each row are kept in the review's folder.

    Args:
        store: The review.
        path: The file.
        reviewer: Whose it is.
        independent: Takes the file as an opinion beside those of others: that somebody else has
            reviewed a translation since the file was written doesn't count.

    Returns:
        What became of each row.

    Raises:
        DataError: If it isn't a reviewer's file at all.
        StorageError: If it can't be read, or the folder not be written.
    """
    rows = read_rows(path)
    kept = store.folder / _FOLDER / f"{storage.file_hash(path)[:16]}{path.suffix}"
    storage.write_bytes(kept, storage.read_bytes(path))
    store.refresh()
    groups: dict[str, list[FileRow]] = {}
    fates = []
    for row in rows:
        if key := row.cells.get("id", ""):
            groups.setdefault(key, []).append(row)
        else:
            why = "; ".join(row.problems) or "it has no id"
            fates.append(RowFate(rows=(row.number,), key="", fate="refused", reason=why))
    for key, group in groups.items():
        fates.append(_take_one(store, key, group, reviewer, independent=independent))
    fates += _missing(rows)
    lines = (json.dumps(asdict(fate), ensure_ascii=False) for fate in fates)
    storage.write_text(kept.with_suffix(".report.jsonl"), "".join(f"{line}\n" for line in lines))
    return fates


def _take_one(
    store: ReviewStore, key: str, rows: Sequence[FileRow], reviewer: str, *, independent: bool
) -> RowFate:
    numbers = tuple(row.number for row in rows)

    def fate(kind: Fate, reason: str = "") -> RowFate:
        return RowFate(rows=numbers, key=key, fate=kind, reason=reason)

    item = store.find(key)
    if item is None:
        return fate("refused", "nothing of this id is under review")
    if faults := list(_faults(item, rows)):
        return fate("refused", "; ".join(faults))
    by_turn = {_turn(row): row for row in rows}
    ordered = [by_turn[number] for number in range(len(item.translated.texts))]
    texts = tuple(
        _as_before(row.cells["corrected"], before)
        for row, before in zip(ordered, item.translated.texts, strict=True)
    )
    opinion = "".join({_decision(row) for row in rows} - {""})
    tags = sorted({tag for row in rows for tag in row.cells["tags"].replace(",", " ").split()})
    note = "\n".join(row.cells["note"] for row in ordered if row.cells["note"].strip())
    if not opinion:
        if texts == item.translated.texts and not tags and not note:
            return fate("undecided")
        return fate("refused", "something was changed, but the decision is empty")
    verdict = ReviewDecision(
        key=key,
        edition=rows[0].cells["edition"],
        reviewer=reviewer,
        opinion="accept" if opinion == "accept" else "reject",
        texts=texts,
        tags=tuple(tags),
        note=note,
    )
    if _is_known(item, verdict):
        return fate("known")
    try:
        store.save(verdict, seen_version=int(rows[0].cells["version"]), independent=independent)
    except PaloError as error:
        return fate("refused", str(error))
    return fate("saved")


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
        if _decision(row) not in ("", *OPINIONS):
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


def _is_known(item: Item, verdict: ReviewDecision) -> bool:
    said = item.latest.get(verdict.reviewer)
    return said is not None and (said.opinion, said.texts, said.tags, said.note) == (
        verdict.opinion,
        verdict.texts,
        verdict.tags,
        verdict.note,
    )


def _missing(rows: Sequence[FileRow]) -> list[RowFate]:
    """Finds the rows that the file had when it was written."""
    counted = [_COUNTED.fullmatch(row.cells.get("row", "")) for row in rows]
    there = {int(found[1]) for found in counted if found}
    total = max((int(found[2]) for found in counted if found), default=0)
    if len(there) >= total or total > _MOST_MISSING:
        return []
    reason = "the row was in the file when it was written"
    return [
        RowFate(rows=(number,), key="", fate="missing", reason=reason)
        for number in range(1, total + 1)
        if number not in there
    ]
