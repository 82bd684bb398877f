"""The folder of a review: translations are added, decisions are saved, neither is overwritten."""

import datetime
import fcntl
import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from palo import config
from palo.errors import DataError, MismatchError
from palo.storage import S3Path, ensure_folder, wrap_os_errors
from palo.translate.review.decision import ReviewDecision, decision_faults
from palo.translate.review.item import Item, edition_of
from palo.translate.translated import Translated, from_row, to_row

ITEMS = "items.jsonl"
DECISIONS = "decisions.jsonl"
_EARLIER = "verdicts.jsonl"
"""The file of decisions in reviews of earlier versions, whose fields had other names."""
_CHUNK_BYTES = 1 << 16


class StaleError(MismatchError):
    """There is a decision about a translation that this reviewer hasn't seen."""


class ReviewStore:
    """Translations under review and decisions about them; safe to use from several threads.

    Args:
        folder: The folder; made when the first translation comes.

    Raises:
        DataError: If the folder is on S3, where nothing can be appended, if a file is damaged, or
            if an earlier version wrote it.
        StorageError: If it can't be read.
    """

    def __init__(self, folder: Path) -> None:
        if isinstance(folder, S3Path):
            raise DataError(
                "a review is appended to, which S3 can't", seen=folder, fix="Use a shared disk."
            )
        if (folder / _EARLIER).exists():
            raise DataError(
                "an earlier version wrote this review",
                seen=folder / _EARLIER,
                fix="Finish it with that version, or review its translations in a new folder.",
            )
        self.folder = folder
        self._items: dict[str, Item] = {}
        # By edition: some are about an earlier one, or one that is added at this moment.
        self._decisions: defaultdict[str, list[ReviewDecision]] = defaultdict(list)
        self._added = Journal(folder / ITEMS, self._on_item)
        self._decided = Journal(folder / DECISIONS, self._on_decision)
        self.refresh()

    @classmethod
    def existing(cls, folder: Path) -> Self:
        """Opens a review that has translations already.

        Args:
            folder: The folder.

        Raises:
            DataError: If it has none; else as the class itself.
            StorageError: If it can't be read.
        """
        store = cls(folder)
        if not store.items():
            raise DataError(
                "there is no review in this folder",
                seen=folder,
                fix="Name the folder `review` of a translation job, or add translations with "
                "`python jobs/review.py FOLDER --draw results.jsonl`.",
            )
        return store

    def refresh(self) -> None:
        """Reads the additions and decisions of other processes.

        Raises:
            DataError: If a file was changed by hand.
            StorageError: If one can't be read.
        """
        self._added.refresh()
        self._decided.refresh()

    def items(self, language: str | None = None) -> list[Item]:
        """Returns the translations under review, in the order in which they came.

        Args:
            language: ISO code; None for all.
        """
        return [item for item in list(self._items.values()) if language in (None, item.language)]

    def place_of(self, item: Item) -> tuple[int, int]:
        """Returns an item's number among those of its language, and how many these are.

        Args:
            item: An item of this review.
        """
        keys = [one.key for one in self.items(item.language)]
        return keys.index(item.key) + 1, len(keys)

    def languages(self) -> set[str]:
        """Returns the languages of the translations under review."""
        return {item.language for item in list(self._items.values())}

    def find(self, key: str) -> Item | None:
        """Returns the item of a key; None if there is none.

        Args:
            key: Key of the translation.
        """
        return self._items.get(key)

    def add(self, rows: Iterable[Translated]) -> int:
        """Adds translations; one that is there already in the same words is left out.

        Decisions about an earlier translation of the same record stay in the file and don't count.

        Args:
            rows: The translations.

        Returns:
            How many were added.

        Raises:
            StorageError: If the folder can't be written.
        """
        with self._added.appending() as append:
            new: dict[str, Translated] = {}
            for row in rows:
                known = self._items.get(row.key)
                if known is None or known.edition != edition_of(row):
                    new[row.key] = row
            append([to_row(row) for row in new.values()])
        return len(new)

    def save(
        self, decision: ReviewDecision, *, seen_version: int, independent: bool = False
    ) -> ReviewDecision:
        """Saves a reviewer's decision.

        Args:
            decision: The decision; its time is set here.
            seen_version: The item's version that the reviewer looked at.
            independent: Saves it beside the decisions of others, even those that the reviewer
                hasn't seen; a newer decision of the same reviewer still counts.

        Returns:
            The decision as it is saved.

        Raises:
            DataError: If it fits no translation here: no such key, a wrong number of texts, a
                missing protected span.
            StaleError: If the translation has changed, or another reviewer has decided meanwhile.
            StorageError: If it can't be written; then it isn't saved.
        """
        self._added.refresh()
        with self._decided.appending() as append:
            item = self._items.get(decision.key)
            if item is None:
                raise DataError("nothing of this id is under review", seen=decision.key)
            _require_fresh(item, decision, seen_version, independent=independent)
            if faults := decision_faults(item.translated, decision):
                raise DataError("this can't be saved", seen="; ".join(map(str, faults)))
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            dated = replace(decision, time=now)
            append([config.to_dict(dated)])
        return dated

    def results(self) -> Iterator[Translated]:
        """Yields approved translations, with their reviewed texts and their reviewer."""
        for item in self.items():
            if (approved := item.approved) is not None:
                yield replace(item.translated, texts=approved.texts, reviewer=approved.reviewer)

    def _on_item(self, number: int, row: Any) -> None:  # noqa: ANN401 - JSON values
        translated = from_row(row)
        edition = edition_of(translated)
        self._items[translated.key] = Item(
            translated=translated, edition=edition, decisions=self._decisions[edition]
        )

    def _on_decision(self, number: int, row: Any) -> None:  # noqa: ANN401 - JSON values
        decision = config.from_dict(ReviewDecision, row)
        self._decisions[decision.edition].append(decision)


def _require_fresh(
    item: Item, decision: ReviewDecision, seen_version: int, *, independent: bool
) -> None:
    if item.edition != decision.edition:
        raise StaleError(
            "this was translated anew in the meantime", seen=item.key, fix="Review the new one."
        )
    unseen = item.decisions[seen_version:]
    if independent:
        unseen = [one for one in unseen if one.reviewer == decision.reviewer]
    if unseen or seen_version > item.version:
        news = f"{unseen[-1].reviewer} has reviewed this in the meantime" if unseen else ""
        raise StaleError(
            news or "there is no such version yet",
            seen=f"{item.key}, version {seen_version} of {item.version}",
            fix="Look at what was done, and save yours again if you still want to.",
        )


class Journal:
    """A file of JSON lines that are only appended.

    Args:
        path: The file; made when the first line comes.
        on_row: Called with each row once, in the order of the file, and its line's number from 1.
    """

    def __init__(self, path: Path, on_row: Callable[[int, Any], None]) -> None:
        self._path = path
        self._on_row = on_row
        self._read_bytes = 0
        self._num_rows = 0
        self._turn = threading.RLock()

    def refresh(self) -> None:
        """Reads what has come since the last time.

        Raises:
            DataError: If a line is no JSON, as after a change by hand.
            StorageError: If the file can't be read.
        """
        with self._turn, wrap_os_errors("read", self._path):
            if self._path.exists():
                with self._path.open("rb") as file:
                    self._read_new(file)

    @contextmanager
    def appending(self) -> Iterator[Callable[[Sequence[object]], None]]:
        """Gives a function that appends rows. Others can't append meanwhile, and theirs were read.

        Raises:
            DataError: See `refresh`.
            StorageError: If the file can't be read or written.
        """
        ensure_folder(self._path.parent)
        with self._turn, wrap_os_errors("write", self._path), self._path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _cut_torn_end(file)
            self._read_new(file)

            def append(rows: Sequence[object]) -> None:
                lines = (json.dumps(row, ensure_ascii=False) for row in rows)
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
                self._read_new(file)

            yield append

    def _read_new(self, file: BinaryIO) -> None:
        file.seek(self._read_bytes)
        # What another process is writing at this moment has no end of line yet.
        whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return
        for line in whole.split(b"\n"):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"line {self._num_rows + 1} of {self._path} is not JSON",
                    seen=repr(line[:60]),
                    fix="Undo what was changed by hand.",
                ) from error
            self._num_rows += 1
            self._read_bytes += len(line) + 1
            self._on_row(self._num_rows, row)


def _cut_torn_end(file: BinaryIO) -> None:
    """Cuts off a line that a process left unfinished when it died; no client took it for saved."""
    end = file.seek(0, os.SEEK_END)
    kept = end
    while kept:
        start = max(0, kept - _CHUNK_BYTES)
        file.seek(start)
        found = file.read(kept - start).rfind(b"\n")
        if found >= 0:
            kept = start + found + 1
            break
        kept = start
    if kept < end:
        file.truncate(kept)
    file.seek(0, os.SEEK_END)
