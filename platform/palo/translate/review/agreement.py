"""How far two reviewers agree."""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from palo.translate.review.decision import Opinion
from palo.translate.review.item import Item


class ReviewersAgree(NamedTuple):
    """Two reviewers who have judged the same translations.

    Attributes:
        first: One of them.
        second: The other.
        num_items: Translations that both have judged.
        same: Share with the same decision.
        kappa: Cohen's kappa of their decisions: 1 in full agreement, 0 for what chance would give.
            None where both have only ever decided the same one way.
        likeness: Mean chrF of the texts of one with those of the other, where both accept; None
            where they never do.
    """

    first: str
    second: str
    num_items: int
    same: float
    kappa: float | None
    likeness: float | None


def cohens_kappa(pairs: Sequence[tuple[Opinion, Opinion]]) -> float | None:
    """Returns how much more than by chance two people decide the same; None if it isn't defined.

    Args:
        pairs: What each of both decided, at least one pair.

    Source: J. Cohen, A coefficient of agreement for nominal scales (1960).
    """
    same = fmean(a == b for a, b in pairs)
    first, second = (fmean(pair[side] == "accept" for pair in pairs) for side in (0, 1))
    by_chance = first * second + (1 - first) * (1 - second)
    return None if by_chance == 1 else (same - by_chance) / (1 - by_chance)


def agreement_of(
    items: Iterable[Item], like: Callable[[str, Sequence[str]], float]
) -> list[ReviewersAgree]:
    """Returns the agreement of every two reviewers with common items, the most items first.

    Args:
        items: What was judged.
        like: Likeness of a text with references, from 0 to 100.
    """
    decided: dict[tuple[str, str], list[tuple[Opinion, Opinion]]] = {}
    alike: dict[tuple[str, str], list[float]] = {}
    for item in items:
        said = sorted(item.latest.values(), key=lambda verdict: verdict.reviewer)
        for number, one in enumerate(said):
            for other in said[number + 1 :]:
                pair = (one.reviewer, other.reviewer)
                decided.setdefault(pair, []).append((one.opinion, other.opinion))
                if one.opinion == other.opinion == "accept":
                    alike.setdefault(pair, []).append(
                        fmean(
                            100.0 if a == b else like(a, [b])
                            for a, b in zip(one.texts, other.texts, strict=True)
                        )
                    )
    found = [
        ReviewersAgree(
            first=pair[0],
            second=pair[1],
            num_items=len(opinions),
            same=fmean(a == b for a, b in opinions),
            kappa=cohens_kappa(opinions),
            likeness=fmean(alike[pair]) if pair in alike else None,
        )
        for pair, opinions in decided.items()
    ]
    return sorted(found, key=lambda one: (-one.num_items, one.first, one.second))
