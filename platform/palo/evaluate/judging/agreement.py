"""How far a judge agrees with itself."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np


class Agreement(NamedTuple):
    """Two judgments of the same thing, many times.

    Attributes:
        num_pairs: How often.
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
