"""A translation under review with its decisions, and the agreement of its reviewers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal, NamedTuple

from palo import config
from palo.translate.review.decision import Outcome, ReviewDecision
from palo.translate.translated import Translated

State = Literal["open", "accepted", "rejected", "disputed"]
STATES: tuple[State, ...] = ("open", "accepted", "rejected", "disputed")


def edition_of(translated: Translated) -> str:
    """Returns the hash of all that a reviewer sees of a translation.

    Args:
        translated: The translation.
    """
    source = translated.source
    seen = [(turn.role, turn.text, turn.num_images) for turn in source.turns]
    return config.fingerprint([translated.key, source.image, seen, translated.texts])


@dataclass(kw_only=True)
class Item:
    """A translation under review.

    Attributes:
        translated: The translation as it came.
        edition: Its hash.
        decisions: Decisions about it, the oldest first.
    """

    translated: Translated
    edition: str
    decisions: list[ReviewDecision] = field(default_factory=list)

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
        """Number of decisions; a new one names the version that its reviewer saw."""
        return len(self.decisions)

    @property
    def latest(self) -> dict[str, ReviewDecision]:
        """The last decision of each reviewer, the oldest first."""
        found: dict[str, ReviewDecision] = {}
        for decision in self.decisions:
            found.pop(decision.reviewer, None)
            found[decision.reviewer] = decision
        return found

    @property
    def state(self) -> State:
        """The decision of the majority of its reviewers; disputed if there is none."""
        outcomes = [decision.outcome for decision in self.latest.values()]
        balance = outcomes.count("accept") - outcomes.count("reject")
        if not outcomes:
            return "open"
        return "disputed" if not balance else "accepted" if balance > 0 else "rejected"

    @property
    def approved(self) -> ReviewDecision | None:
        """The decision whose texts hold: of those that accept, the last one; None without any."""
        if self.state != "accepted":
            return None
        return [one for one in self.latest.values() if one.outcome == "accept"][-1]


class ReviewerAgreement(NamedTuple):
    """The agreement of two reviewers.

    Attributes:
        first: One of them.
        second: The other.
        num_items: Translations that both have judged.
        same: Share with the same decision.
        kappa: Cohen's kappa of their decisions: 1 in full agreement, 0 for what chance would give.
            None where both have only ever decided the same one way.
        similarity: Mean chrF of the texts of one with those of the other, where both accept; None
            where they never do.
    """

    first: str
    second: str
    num_items: int
    same: float
    kappa: float | None
    similarity: float | None


def cohens_kappa(pairs: Sequence[tuple[Outcome, Outcome]]) -> float | None:
    """Returns the agreement of two reviewers beyond chance; None if it isn't defined.

    Args:
        pairs: Decisions of both, at least one pair.

    Source: J. Cohen, A coefficient of agreement for nominal scales (1960).
    """
    same = fmean(a == b for a, b in pairs)
    first, second = (fmean(pair[side] == "accept" for pair in pairs) for side in (0, 1))
    by_chance = first * second + (1 - first) * (1 - second)
    return None if by_chance == 1 else (same - by_chance) / (1 - by_chance)


def agreement_of(
    items: Iterable[Item], similarity_of: Callable[[str, Sequence[str]], float]
) -> list[ReviewerAgreement]:
    """Returns the agreement of every two reviewers with common items, the most items first.

    Args:
        items: The translations.
        similarity_of: Similarity of a text to references, from 0 to 100.
    """
    decided: dict[tuple[str, str], list[tuple[Outcome, Outcome]]] = {}
    alike: dict[tuple[str, str], list[float]] = {}
    for item in items:
        decisions = sorted(item.latest.values(), key=lambda decision: decision.reviewer)
        for number, one in enumerate(decisions):
            for other in decisions[number + 1 :]:
                pair = (one.reviewer, other.reviewer)
                decided.setdefault(pair, []).append((one.outcome, other.outcome))
                if one.outcome == other.outcome == "accept":
                    alike.setdefault(pair, []).append(
                        fmean(
                            100.0 if a == b else similarity_of(a, [b])
                            for a, b in zip(one.texts, other.texts, strict=True)
                        )
                    )
    found = [
        ReviewerAgreement(
            first=pair[0],
            second=pair[1],
            num_items=len(outcomes),
            same=fmean(a == b for a, b in outcomes),
            kappa=cohens_kappa(outcomes),
            similarity=fmean(alike[pair]) if pair in alike else None,
        )
        for pair, outcomes in decided.items()
    ]
    return sorted(found, key=lambda one: (-one.num_items, one.first, one.second))
