"""The choice and order of translations for review."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from palo.translate.review.item import Item
from palo.translate.translated import Decision, Translated, decide


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleSettings:
    """Size of the sample for review.

    Attributes:
        per_language: Most of each language.
        blind_share: Share of them that is drawn at random from those that all checks accepted, to
            measure what the checks miss.
        seed: Seed of the draw.
    """

    per_language: int = 1000
    blind_share: float = 0.1
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.per_language < 1:
            yield f"per_language is {self.per_language} but must be at least 1"
        if not 0 <= self.blind_share <= 1:
            yield f"blind_share is {self.blind_share} but must be from 0 to 1"


def sample(rows: Iterable[Translated], settings: SampleSettings) -> list[Translated]:
    """Chooses translations for review, the most doubtful of each language first.

    The draw depends on the rows' keys and the seed alone, not on their order. Quarantined
    translations are left out.

    Args:
        rows: Translations of any languages.
        settings: How many.
    """
    by_language: dict[str, list[Translated]] = {}
    for row in rows:
        if decide(row.checks) < Decision.QUARANTINE:
            by_language.setdefault(row.language, []).append(row)
    return [row for group in by_language.values() for row in _sample_of_one(group, settings)]


def _sample_of_one(rows: list[Translated], settings: SampleSettings) -> list[Translated]:
    def drawn(row: Translated) -> bytes:
        return hashlib.sha256(f"{settings.seed} {row.key}".encode()).digest()

    def doubt(row: Translated) -> tuple[int, float, bytes]:
        return (-decide(row.checks), -row.doubt, drawn(row))

    good = sorted((row for row in rows if not decide(row.checks)), key=drawn)
    blind = good[: round(settings.per_language * settings.blind_share)]
    taken = {row.key for row in blind}
    others = sorted((row for row in rows if row.key not in taken), key=doubt)
    return sorted([*blind, *others[: settings.per_language - len(blind)]], key=doubt)


def waiting_items(
    items: Iterable[Item], reviewer: str, *, second_share: float, seed: int = 0
) -> list[Item]:
    """Returns the translations that wait for a reviewer, in this order.

    Disputed ones come first, then the most doubtful. A share of all, drawn by their
    keys, is for two reviewers; the rest is done when one has seen it.

    Args:
        items: Of one language.
        reviewer: Name of the reviewer; translations that they have reviewed are left out.
        second_share: Share that two reviewers see, from 0 to 1.
        seed: Seed of the draw.
    """
    waiting = [
        item
        for item in items
        if reviewer not in item.latest
        and (item.state == "disputed" or len(item.latest) < num_wanted(item, second_share, seed))
    ]
    return sorted(
        waiting, key=lambda item: (item.state != "disputed", -item.translated.doubt, item.key)
    )


def num_wanted(item: Item, second_share: float, seed: int = 0) -> int:
    """Returns how many reviewers should see an item.

    Args:
        item: The item.
        second_share: Share that two reviewers see, from 0 to 1.
        seed: Seed of the draw.
    """
    digest = hashlib.sha256(f"second {seed} {item.key}".encode()).digest()
    return 2 if int.from_bytes(digest[:6]) < second_share * (1 << 48) else 1
