"""A translation under review, with everything that was said of it."""

from dataclasses import dataclass, field
from typing import Literal

from palo import config
from palo.translate.review.decision import ReviewDecision
from palo.translate.translated import Translated

State = Literal["open", "accepted", "rejected", "disputed"]
STATES: tuple[State, ...] = ("open", "accepted", "rejected", "disputed")


def edition_of(translated: Translated) -> str:
    """Returns the hash of what a reviewer sees of a translation."""
    source = translated.source
    seen = [(turn.role, turn.text, turn.num_images) for turn in source.turns]
    return config.fingerprint([translated.key, source.image, seen, translated.texts])


@dataclass(kw_only=True)
class Item:
    """A translation under review.

    Attributes:
        translated: The translation as it came.
        edition: Its hash.
        verdicts: What was said of it, the oldest first.
    """

    translated: Translated
    edition: str
    verdicts: list[ReviewDecision] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Names the item."""
        return self.translated.key

    @property
    def language(self) -> str:
        """Language of the translation."""
        return self.translated.language

    @property
    def version(self) -> int:
        """Grows with every verdict; a new one says which version its reviewer saw."""
        return len(self.verdicts)

    @property
    def latest(self) -> dict[str, ReviewDecision]:
        """The last verdict of each reviewer, the oldest first."""
        found: dict[str, ReviewDecision] = {}
        for verdict in self.verdicts:
            found.pop(verdict.reviewer, None)
            found[verdict.reviewer] = verdict
        return found

    @property
    def state(self) -> State:
        """What the majority of its reviewers says; disputed if there is none."""
        opinions = [verdict.opinion for verdict in self.latest.values()]
        balance = opinions.count("accept") - opinions.count("reject")
        if not opinions:
            return "open"
        return "disputed" if not balance else "accepted" if balance > 0 else "rejected"

    @property
    def approved(self) -> ReviewDecision | None:
        """The verdict whose texts hold: of those that accept, the last one; None without any."""
        if self.state != "accepted":
            return None
        return [one for one in self.latest.values() if one.opinion == "accept"][-1]
