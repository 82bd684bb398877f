"""The folder of a review: translations come in, verdicts are saved, neither is ever overwritten."""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from palo import config
from palo.errors import DataError, MismatchError
from palo.storage import S3Path
from palo.translate.review.checks import decision_faults
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.item import Item, edition_of
from palo.translate.review.journal import Journal
from palo.translate.translated import Translated, from_row, to_row

ITEMS = "items.jsonl"
VERDICTS = "verdicts.jsonl"


class StaleError(MismatchError):
    """Somebody has said something about a translation that this reviewer hasn't seen."""


class ReviewStore:
    """Translations under review and what was said of them; safe to use from several threads.

    Args:
        folder: The folder; made when the first translation comes.

    Raises:
        DataError: If the folder lies on S3, where nothing can be appended, or a file is damaged.
        StorageError: If it can't be read.
    """

    def __init__(self, folder: Path) -> None:
        if isinstance(folder, S3Path):
            raise DataError(
                "a review is appended to, which S3 can't", seen=folder, fix="Use a shared disk."
            )
        self.folder = folder
        self._items: dict[str, Item] = {}
        # By edition: some are about an earlier one, or one that is added at this moment.
        self._verdicts: defaultdict[str, list[ReviewDecision]] = defaultdict(list)
        self._added = Journal(folder / ITEMS, self._on_item)
        self._said = Journal(folder / VERDICTS, self._on_verdict)
        self.refresh()

    def refresh(self) -> None:
        """Reads what others have added and said.

        Raises:
            DataError: If a file was changed by hand.
            StorageError: If one can't be read.
        """
        self._added.refresh()
        self._said.refresh()

    def items(self, language: str | None = None) -> list[Item]:
        """Returns what is under review, in the order in which it came.

        Args:
            language: ISO code; None for all.
        """
        return [item for item in list(self._items.values()) if language in (None, item.language)]

    def languages(self) -> set[str]:
        """Returns the languages of what is under review."""
        return {item.language for item in list(self._items.values())}

    def find(self, key: str) -> Item | None:
        """Returns the item of a key; None if there is none."""
        return self._items.get(key)

    def add(self, rows: Iterable[Translated]) -> int:
        """Adds translations; one that is there already in the same words is left out.

        Verdicts about an earlier translation of the same record stay in the file and don't count.

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
        self, verdict: ReviewDecision, *, seen_version: int, independent: bool = False
    ) -> ReviewDecision:
        """Saves what a reviewer says.

        Args:
            verdict: What; its time is set here.
            seen_version: The item's version that the reviewer looked at.
            independent: Saves it as an opinion beside those of others, whatever they have said
                meanwhile; what the same reviewer has said still counts.

        Returns:
            The verdict as it is saved.

        Raises:
            DataError: If it is no verdict about anything here: no such key, a wrong number of
                texts, a missing lock.
            StaleError: If the translation is another by now, or somebody else was faster.
            StorageError: If it can't be written; then it isn't saved.
        """
        self._added.refresh()
        with self._said.appending() as append:
            item = self._items.get(verdict.key)
            if item is None:
                raise DataError("nothing of this id is under review", seen=verdict.key)
            _require_fresh(item, verdict, seen_version, independent=independent)
            if faults := decision_faults(item.translated, verdict):
                raise DataError("this can't be saved", seen="; ".join(map(str, faults)))
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            dated = replace(verdict, time=now)
            append([config.to_dict(dated)])
        return dated

    def results(self) -> Iterator[Translated]:
        """Yields what is approved, in its reviewed words and with its reviewer."""
        for item in self.items():
            if (approved := item.approved) is not None:
                yield replace(item.translated, texts=approved.texts, reviewer=approved.reviewer)

    def _on_item(self, number: int, row: Any) -> None:  # noqa: ANN401 - JSON values
        translated = from_row(row)
        edition = edition_of(translated)
        self._items[translated.key] = Item(
            translated=translated, edition=edition, verdicts=self._verdicts[edition]
        )

    def _on_verdict(self, number: int, row: Any) -> None:  # noqa: ANN401 - JSON values
        verdict = config.from_dict(ReviewDecision, row)
        self._verdicts[verdict.edition].append(verdict)


def _require_fresh(
    item: Item, verdict: ReviewDecision, seen_version: int, *, independent: bool
) -> None:
    if item.edition != verdict.edition:
        raise StaleError(
            "this was translated anew in the meantime", seen=item.key, fix="Review the new one."
        )
    unseen = item.verdicts[seen_version:]
    if independent:
        unseen = [one for one in unseen if one.reviewer == verdict.reviewer]
    if unseen or seen_version > item.version:
        news = f"{unseen[-1].reviewer} has reviewed this in the meantime" if unseen else ""
        raise StaleError(
            news or "there is no such version yet",
            seen=f"{item.key}, version {seen_version} of {item.version}",
            fix="Look at what was done, and save yours again if you still want to.",
        )
