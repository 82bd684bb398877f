"""Intervals of 95 % around measured shares and means."""

import math

import numpy as np
import numpy.typing as npt

_Z = 1.959963984540054
"""Quantile of the normal distribution that leaves 2.5 % above it."""

_PERCENTILES = (2.5, 97.5)
_NUM_RESAMPLES = 2_000


def wilson(num_correct: int, num_questions: int) -> tuple[float, float]:
    """Returns the Wilson score interval of a share, without continuity correction.

    Args:
        num_correct: Successes, from 0 to `num_questions`.
        num_questions: Trials, at least 1.

    Returns:
        Low and high end, both from 0 to 1.

    Raises:
        ValueError: If there is no trial, or the successes are out of range.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference
        (1927).
    """
    if not 0 <= num_correct <= num_questions or num_questions == 0:
        raise ValueError(f"{num_correct} of {num_questions} is no share")
    share, weight = num_correct / num_questions, _Z**2 / num_questions
    centre = (share + weight / 2) / (1 + weight)
    spread = math.sqrt(share * (1 - share) * weight + weight**2 / 4) / (1 + weight)
    # Rounding must not push the ends past the share itself where all or none are right.
    return min(share, centre - spread), max(share, centre + spread)


def resampling_weights(num_clusters: int, seed: int) -> npt.NDArray[np.float64]:
    """Draws bootstrap samples of whole clusters, as how often each cluster is in each sample.

    Questions about one image are right or wrong together, so images are drawn, not questions.

    Args:
        num_clusters: At least 1.
        seed: Seed of the draws.

    Returns:
        (2000, num_clusters) counts; each row adds up to `num_clusters`.
    """
    uniform = np.full(num_clusters, 1 / num_clusters)
    draws = np.random.default_rng(seed).multinomial(num_clusters, uniform, size=_NUM_RESAMPLES)
    return draws.astype(np.float64)


def percentile_interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Returns the percentile interval of bootstrapped values; resamples without one are NaN.

    Args:
        values: (R,) values of the resamples.
    """
    low, high = np.nanpercentile(values, _PERCENTILES)
    return float(low), float(high)
