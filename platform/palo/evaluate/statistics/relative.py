"""The paper's averages over languages: Avg.H, Avg.L and Avg."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from palo import languages
from palo.metrics.intervals import percentile_interval, resampling_weights

AVERAGES = {"high": "Avg.H", "low": "Avg.L", "all": "Avg."}
"""The averages by the class of the languages that they are over, with the paper's words."""


class Averages(NamedTuple):
    """Means over languages, each counting the same; None where no language is of the class.

    Attributes:
        high: Over the high-resource languages.
        low: Over the low-resource languages.
        all: Over all.
    """

    high: float | None
    low: float | None
    all: float | None


def averages(values: Mapping[str, float]) -> Averages:
    """Averages values by language.

    Args:
        values: By ISO 639-1 code.
    """
    return Averages(*(_mean([values[c] for c in codes_of(name, values)]) for name in AVERAGES))


def codes_of(name: str, present: Mapping[str, object]) -> list[str]:
    """Returns the languages that an average is over, of those that are present.

    Args:
        name: high, low or all.
        present: By ISO 639-1 code.
    """
    return [code for code in present if name in ("all", languages.get(code).resource)]


def _mean(values: list[float]) -> float | None:
    return fmean(values) if values else None


Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredItem:
    """A judge's scores of one question.

    Attributes:
        key: The question's, within its bench.
        language: ISO 639-1 code.
        category: The question's category.
        image: Name of its image.
        reference: Score of the reference answer.
        candidate: Score of the model's answer.
    """

    key: str
    language: str
    category: str
    image: str
    reference: float
    candidate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RelativeScore:
    """A relative score with its 95 % interval.

    Attributes:
        value: 100 means as good as the reference answers.
        low: Low end of the interval.
        high: High end of the interval.
        num_questions: How many questions it counts.
    """

    value: float
    low: float
    high: float
    num_questions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RelativeScores:
    """All scores of one model.

    Attributes:
        by_language: By ISO 639-1 code, in the registry's order.
        by_category: By language, then by category.
        averages: By high, low and all, for those classes that have a language.
        num_images: Distinct images, over which the intervals are drawn.
    """

    by_language: Mapping[str, RelativeScore]
    by_category: Mapping[str, Mapping[str, RelativeScore]]
    averages: Mapping[str, RelativeScore]
    num_images: int


def relative_scores(items: Sequence[ScoredItem], seed: int = 0) -> RelativeScores:
    """Scores a model.

    Images are resampled, not questions, since questions about one image stand or fall
    together; and all languages with the same draws, since they share their images.

    Args:
        items: At least one question, with positive reference scores.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there is no question.
    """
    if not items:
        raise ValueError("there are no scores")
    present = {item.language for item in items}
    codes = [code for code in languages.codes() if code in present]
    images = sorted({item.image for item in items})
    weights = resampling_weights(len(images), seed)
    sums = {code: ScoreSums([i for i in items if i.language == code], images) for code in codes}
    by_category = {}
    for code in codes:
        own = [item for item in items if item.language == code]
        names = dict.fromkeys(item.category for item in own)
        by_category[code] = {
            name: ScoreSums([i for i in own if i.category == name], images).relative(weights)
            for name in names
        }
    return RelativeScores(
        by_language={code: sums[code].relative(weights) for code in codes},
        by_category=by_category,
        averages=_averages(sums, weights),
        num_images=len(images),
    )


class ScoreSums:
    """Scores of some questions, added up by image.

    Args:
        items: The questions.
        images: All images.
    """

    def __init__(self, items: Sequence[ScoredItem], images: Sequence[str]) -> None:
        self.num_questions = len(items)
        self.candidate = self._added(images, dict.fromkeys(images, 0.0), items, "candidate")
        self.reference = self._added(images, dict.fromkeys(images, 0.0), items, "reference")

    @staticmethod
    def _added(
        images: Sequence[str], sums: dict[str, float], items: Sequence[ScoredItem], name: str
    ) -> Array:
        for item in items:
            sums[item.image] += getattr(item, name)
        return np.array([sums[image] for image in images])

    @property
    def value(self) -> float:
        """The relative score: the ratio of the means is that of the sums."""
        return float(100 * self.candidate.sum() / self.reference.sum())

    def resampled(self, weights: Array) -> Array:
        """Returns the score of each resample.

        Args:
            weights: (R, I) how often each image is in each resample.

        Returns:
            (R,) scores; NaN where a resample has no question.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            values: Array = 100 * (weights @ self.candidate) / (weights @ self.reference)
        return np.where(np.isfinite(values), values, np.nan)

    def relative(self, weights: Array) -> RelativeScore:
        """Returns the score with its interval.

        Args:
            weights: (R, I) how often each image is in each resample.
        """
        low, high = percentile_interval(self.resampled(weights))
        return RelativeScore(value=self.value, low=low, high=high, num_questions=self.num_questions)


def _averages(sums: Mapping[str, ScoreSums], weights: Array) -> dict[str, RelativeScore]:
    resampled = {code: one.resampled(weights) for code, one in sums.items()}
    found = {}
    for name in AVERAGES:
        codes = codes_of(name, sums)
        if codes:
            low, high = percentile_interval(np.mean([resampled[code] for code in codes], axis=0))
            found[name] = RelativeScore(
                value=float(np.mean([sums[code].value for code in codes])),
                low=low,
                high=high,
                num_questions=sum(sums[code].num_questions for code in codes),
            )
    return found
