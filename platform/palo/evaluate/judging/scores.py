"""The score of each question from its judgments, and how far the judge agrees with itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

import numpy as np

from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.judging.requests import Call
from palo.evaluate.statistics.relative import ScoredItem
from palo.metrics.fidelity import answer_language


class Agreement(NamedTuple):
    """The agreement of two judgments of the same answers.

    Attributes:
        num_pairs: Number of pairs of scores.
        same: Share of equal scores.
        within_one: Share of scores that are one point apart at most.
        mean_difference: Mean distance, in points.
        correlation: Pearson's; None if all scores of one side are equal.
    """

    num_pairs: int
    same: float
    within_one: float
    mean_difference: float
    correlation: float | None


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement | None:
    """Compares two judgments of the same answers.

    Args:
        first: Scores.
        second: Scores of the same answers, in the same order.

    Returns:
        None if there are none.
    """
    distances = [abs(a - b) for a, b in zip(first, second, strict=True)]
    if not distances:
        return None
    varied = len(set(first)) > 1 and len(set(second)) > 1
    return Agreement(
        num_pairs=len(distances),
        same=fmean(distance == 0 for distance in distances),
        within_one=fmean(distance <= 1 for distance in distances),
        mean_difference=fmean(distances),
        correlation=float(np.corrcoef(first, second)[0, 1]) if varied else None,
    )


_REASONS_IN = "en"
NO_ANSWER = "no answer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgment:
    """One reply of a judge.

    Attributes:
        first: Score of the first answer; None without a verdict.
        second: Score of the second answer.
        fault: Why there is no verdict.
        detail: The judge's reason, or the beginning of its reply.
    """

    first: float | None = None
    second: float | None = None
    fault: str | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Scores of one model's answers.

    Attributes:
        scored: The questions that have a score.
        unscored: Why the others have none, by key. They are in no mean.
        reasons: The judge's reasons on each question, by key.
        repeats: How far the judge agrees with itself on the same question; None without repeats.
        orders: How far its scores of one answer agree when that is first and when it is second.
        position_bias: Points that an answer gains by being first; None without both orders.
        num_foreign_reasons: Reasons in another language than English, which was requested.
    """

    scored: tuple[ScoredItem, ...]
    unscored: Mapping[str, str]
    reasons: Mapping[str, tuple[str, ...]]
    repeats: Agreement | None
    orders: Agreement | None
    position_bias: float | None
    num_foreign_reasons: int

    @property
    def unscored_by_reason(self) -> dict[str, int]:
        """How many questions have no score, by reason, the most frequent first."""
        return dict(Counter(self.unscored.values()).most_common())


def combined(
    items: Sequence[BenchItem],
    calls: Mapping[str, Sequence[Call]],
    judgments: Mapping[str, Judgment],
) -> Judged:
    """Computes the score of each question whose judgments are complete.

    Args:
        items: The questions.
        calls: The judgments of each question's score, by the question's key.
        judgments: By the calls' keys.
    """
    scored, unscored, reasons = [], {}, {}
    for item in items:
        if item.key not in calls:
            unscored[item.key] = NO_ANSWER
            continue
        found = [judgments[call.key] for call in calls[item.key]]
        reasons[item.key] = tuple(one.detail for one in found)
        faults = [one.fault for one in found if one.fault is not None]
        if faults:
            unscored[item.key] = faults[0]
            continue
        pairs = [_pair(call, judgments[call.key]) for call in calls[item.key]]
        scored.append(_scored(item, pairs))
    whole = [calls[item.key] for item in scored]
    return Judged(
        scored=tuple(scored),
        unscored=unscored,
        reasons=reasons,
        repeats=_agreement_of_repeats(whole, judgments),
        orders=_agreement_of_orders(whole, judgments),
        position_bias=_position_bias(whole, judgments),
        num_foreign_reasons=sum(
            answer_language(reason, _REASONS_IN).fidelity == "wrong"
            for item in scored
            for reason in reasons[item.key]
        ),
    )


def _scored(item: BenchItem, pairs: Sequence[tuple[float, float]]) -> ScoredItem:
    return ScoredItem(
        key=item.key,
        language=item.language,
        category=item.category,
        image=item.image.name,
        reference=fmean(reference for reference, _ in pairs),
        candidate=fmean(candidate for _, candidate in pairs),
    )


def _pair(call: Call, judgment: Judgment) -> tuple[float, float]:
    """Returns the scores of reference and candidate, whichever came first."""
    assert judgment.first is not None
    assert judgment.second is not None
    pair = (judgment.first, judgment.second)
    return pair if call.reference_first else pair[::-1]


def _agreement_of_repeats(
    whole: Sequence[Sequence[Call]], judgments: Mapping[str, Judgment]
) -> Agreement | None:
    first: list[float] = []
    second: list[float] = []
    for calls in whole:
        for order in (True, False):
            own = [call for call in calls if call.reference_first == order]
            for earlier, later in pairwise(own):
                first += _pair(earlier, judgments[earlier.key])
                second += _pair(later, judgments[later.key])
    return agreement(first, second)


def _agreement_of_orders(
    whole: Sequence[Sequence[Call]], judgments: Mapping[str, Judgment]
) -> Agreement | None:
    first: list[float] = []
    second: list[float] = []
    for calls in whole:
        ahead = [call for call in calls if call.reference_first]
        behind = [call for call in calls if not call.reference_first]
        for one, other in zip(ahead, behind, strict=False):
            first += _pair(one, judgments[one.key])
            second += _pair(other, judgments[other.key])
    return agreement(first, second)


def _position_bias(
    whole: Sequence[Sequence[Call]], judgments: Mapping[str, Judgment]
) -> float | None:
    """Returns the mean advantage of the first answer; both answers are first equally often."""
    found = [judgments[call.key] for calls in whole for call in calls]
    if not any(not call.reference_first for calls in whole for call in calls):
        return None
    return fmean((one.first or 0) - (one.second or 0) for one in found)
