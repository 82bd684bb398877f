"""Accuracy: the share of right answers by language and by kind of question, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palo import languages
from palo.evaluate.benches.bench import BenchItem
from palo.metrics.intervals import percentile_interval, resampling_weights, wilson

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyShare:
    """A share of right answers.

    Attributes:
        value: From 0 to 1.
        low: Low end of its 95 % interval.
        high: High end of its 95 % interval.
        num_questions: How many questions it counts.
    """

    value: float
    low: float
    high: float
    num_questions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """Shares of right answers.

    Attributes:
        by_language: By ISO 639-1 code, in the registry's order, with Wilson intervals.
        by_kind: By category of question, with bootstrap intervals over images.
        average: Mean over the languages, each counting the same, with a bootstrap interval over
            images, since the same image is asked about in every language.
        by_resource: The same mean over the high- and over the low-resource languages, where
            there are any.
        num_images: Distinct images.
    """

    by_language: Mapping[str, AccuracyShare]
    by_kind: Mapping[str, AccuracyShare]
    average: AccuracyShare
    by_resource: Mapping[str, AccuracyShare]
    num_images: int


def accuracy(items: Sequence[BenchItem], is_right: Sequence[bool], seed: int = 0) -> Accuracy:
    """Aggregates right and wrong answers.

    Args:
        items: At least one question.
        is_right: Whether each was answered rightly, in the same order.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there is no question, or another number of answers.
    """
    if not items or len(items) != len(is_right):
        raise ValueError(f"{len(items)} questions and {len(is_right)} answers don't pair")
    images = {image: row for row, image in enumerate(sorted({item.image for item in items}))}
    weights = resampling_weights(len(images), seed)
    present = {item.language for item in items}
    codes = [code for code in languages.codes() if code in present]
    kinds = sorted({item.category for item in items})
    rows = [images[item.image] for item in items]
    by_code = _Table(rows, [codes.index(item.language) for item in items], is_right)
    by_kind = _Table(rows, [kinds.index(item.category) for item in items], is_right)
    classes = [languages.get(code).resource for code in codes]
    every = range(len(codes))
    return Accuracy(
        by_language={code: by_code.wilson_share(column) for column, code in enumerate(codes)},
        by_kind={kind: by_kind.mean_share([i], weights) for i, kind in enumerate(kinds)},
        average=by_code.mean_share(list(every), weights),
        by_resource={
            name: by_code.mean_share([i for i in every if classes[i] == name], weights)
            for name in sorted(set(classes))
        },
        num_images=len(images),
    )


class _Table:
    """Questions and right answers counted by image (rows) and group (columns)."""

    def __init__(self, rows: list[int], columns: list[int], is_right: Sequence[bool]) -> None:
        shape = (max(rows) + 1, max(columns) + 1)
        self._num_questions: Counts = np.zeros(shape)
        self._num_right: Counts = np.zeros(shape)
        np.add.at(self._num_questions, (rows, columns), 1)
        np.add.at(self._num_right, (rows, columns), is_right)

    def wilson_share(self, column: int) -> AccuracyShare:
        num_right = int(self._num_right[:, column].sum())
        num_questions = int(self._num_questions[:, column].sum())
        low, high = wilson(num_right, num_questions)
        return AccuracyShare(
            value=num_right / num_questions, low=low, high=high, num_questions=num_questions
        )

    def mean_share(self, columns: list[int], weights: Counts) -> AccuracyShare:
        """Averages the groups' shares, each counting the same."""
        questions, right = self._num_questions[:, columns], self._num_right[:, columns]
        # A resample may have no image of a group: that group then doesn't count in its mean.
        with np.errstate(invalid="ignore"):
            resampled = (weights @ right) / (weights @ questions)
        counted = np.isfinite(resampled)
        sums = np.where(counted, resampled, 0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            low, high = percentile_interval(sums / counted.sum(axis=1))
        value = float((right.sum(axis=0) / questions.sum(axis=0)).mean())
        return AccuracyShare(value=value, low=low, high=high, num_questions=int(questions.sum()))
