"""Paired comparison of two models on the same questions: a difference, or noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palo import languages
from palo.evaluate.statistics.relative import AVERAGES, Array, ScoredItem, ScoreSums, codes_of
from palo.metrics.intervals import percentile_interval, resampling_weights

_NUM_SWAPS = 2_000
_LEVEL = 0.05
# Quantiles of the normal distribution for a two-sided level of 5 % and a power of 80 %.
_Z_LEVEL, _Z_POWER = 1.959963984540054, 0.8416212335729143


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How much better the first model is, in points of the relative score.

    Attributes:
        value: First minus second.
        low: Low end of its 95 % interval.
        high: High end of its 95 % interval.
        p_value: Share of random exchanges of the models, image by image, that differ as much.
        num_questions: Questions that both have a score for.
        num_questions_needed: About how many it would take to see this difference four times out
            of five; None if there is none.
    """

    value: float
    low: float
    high: float
    p_value: float
    num_questions: int
    num_questions_needed: int | None

    @property
    def is_noise(self) -> bool:
        """Whether chance alone explains it, at a level of 5 %."""
        return self.p_value >= _LEVEL

    def note(self) -> str:
        """Returns one sentence for people."""
        if not self.is_noise:
            return f"{self.value:+.1f} points, more than noise (p = {self.p_value:.3f})"
        if self.num_questions_needed is None:
            return "no difference"
        noise = f"{self.value:+.1f} points, within noise (p = {self.p_value:.2f})"
        if self.num_questions_needed <= self.num_questions:
            return f"{noise}: too few images to tell"
        return (
            f"{noise}; it would take about {self.num_questions_needed:,} questions to see it, "
            f"not {self.num_questions:,}"
        )


def compare(
    first: Sequence[ScoredItem], second: Sequence[ScoredItem], seed: int = 0
) -> dict[str, Difference]:
    """Compares two models on the questions that both have a score for.

    Args:
        first: Scores of one model.
        second: Scores of the other, by the same judge.
        seed: Seed of the bootstrap and of the exchanges.

    Returns:
        By ISO 639-1 code in the registry's order, then by high, low and all, where there are any.

    Raises:
        ValueError: If they have no question in common.
    """
    mine = {item.key: item for item in first}
    other = {item.key: item for item in second}
    keys = [key for key in mine if key in other]
    if not keys:
        raise ValueError("the models have no scored question in common")
    images = sorted({mine[key].image for key in keys})
    present = {mine[key].language for key in keys}
    pairs = {
        code: (
            ScoreSums([mine[k] for k in keys if mine[k].language == code], images),
            ScoreSums([other[k] for k in keys if mine[k].language == code], images),
        )
        for code in languages.codes()
        if code in present
    }
    groups = {code: [code] for code in pairs}
    groups |= {name: codes for name in AVERAGES if (codes := codes_of(name, pairs))}
    weights = resampling_weights(len(images), seed)
    draws = np.random.default_rng(seed).integers(0, 2, (_NUM_SWAPS, len(images)))
    swaps = draws.astype(np.float64)
    return {
        name: _difference([pairs[code] for code in codes], weights, swaps)
        for name, codes in groups.items()
    }


def _difference(
    pairs: Sequence[tuple[ScoreSums, ScoreSums]], weights: Array, swaps: Array
) -> Difference:
    value = float(np.mean([a.value - b.value for a, b in pairs]))
    resampled = np.mean([a.resampled(weights) - b.resampled(weights) for a, b in pairs], axis=0)
    low, high = percentile_interval(resampled)
    exchanged = np.mean([_exchanged(a, b, swaps) for a, b in pairs], axis=0)
    # Slightly below the difference itself, so that rounding doesn't hide exchanges that equal it.
    as_much = np.abs(exchanged) >= abs(value) * (1 - 1e-9)
    num_questions = sum(a.num_questions for a, _ in pairs)
    return Difference(
        value=value,
        low=low,
        high=high,
        p_value=float((1 + as_much.sum()) / (1 + len(as_much))),
        num_questions=num_questions,
        num_questions_needed=_needed(value, float(np.nanstd(resampled)), num_questions),
    )


def _exchanged(first: ScoreSums, second: ScoreSums, swaps: Array) -> Array:
    """Returns the difference for each way of exchanging the models in some of the images."""
    stay = 1 - swaps
    with np.errstate(invalid="ignore", divide="ignore"):
        one = (stay @ first.candidate + swaps @ second.candidate) / (
            stay @ first.reference + swaps @ second.reference
        )
        two = (swaps @ first.candidate + stay @ second.candidate) / (
            swaps @ first.reference + stay @ second.reference
        )
    difference: Array = 100 * (one - two)
    return difference


def _needed(value: float, error: float, num_questions: int) -> int | None:
    """Returns how many questions show a difference, given the standard error of so many."""
    if value == 0:
        return None
    return max(1, round(num_questions * ((_Z_LEVEL + _Z_POWER) * error / abs(value)) ** 2))


def differences_by_model(
    scores: Mapping[str, Sequence[ScoredItem]], baseline: str, seed: int = 0
) -> dict[str, dict[str, Difference]]:
    """Compares every other model with one of them.

    Args:
        scores: By the name of the model.
        baseline: Name of the model that the others are compared with.
        seed: Seed of the bootstrap.
    """
    return {
        name: compare(items, scores[baseline], seed)
        for name, items in scores.items()
        if name != baseline
    }
