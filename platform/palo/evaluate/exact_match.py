"""Exact match: the share of answers that say precisely the right words, by language and by kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palo import languages
from palo.evaluate.questions import Question
from palo.metrics.intervals import percentile_interval, resampling_weights, wilson
from palo.metrics.matching import is_match

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
    """How many answers are right.

    Attributes:
        by_language: By ISO 639-1 code, in the registry's order, with Wilson intervals.
        by_kind: By kind of question, with bootstrap intervals over images.
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


def accuracy(questions: Sequence[Question], answers: Sequence[str], seed: int = 0) -> Accuracy:
    """Scores answers.

    Args:
        questions: At least one.
        answers: One for each question, in the same order.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there is no question, or another number of answers.
    """
    if not questions or len(questions) != len(answers):
        raise ValueError(f"{len(questions)} questions and {len(answers)} answers don't pair")
    right = [is_match(a, q.answer) for q, a in zip(questions, answers, strict=True)]
    images = {image: row for row, image in enumerate(sorted({q.image for q in questions}))}
    weights = resampling_weights(len(images), seed)
    present = {question.language for question in questions}
    codes = [code for code in languages.codes() if code in present]
    kinds = sorted({question.kind for question in questions})
    rows = [images[question.image] for question in questions]
    by_code = _Table(rows, [codes.index(q.language) for q in questions], right)
    by_kind = _Table(rows, [kinds.index(q.kind) for q in questions], right)
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

    def __init__(self, rows: list[int], columns: list[int], right: list[bool]) -> None:
        shape = (max(rows) + 1, max(columns) + 1)
        self._asked: Counts = np.zeros(shape)
        self._right: Counts = np.zeros(shape)
        np.add.at(self._asked, (rows, columns), 1)
        np.add.at(self._right, (rows, columns), right)

    def wilson_share(self, column: int) -> AccuracyShare:
        num_right = int(self._right[:, column].sum())
        num_asked = int(self._asked[:, column].sum())
        low, high = wilson(num_right, num_asked)
        return AccuracyShare(
            value=num_right / num_asked, low=low, high=high, num_questions=num_asked
        )

    def mean_share(self, columns: list[int], weights: Counts) -> AccuracyShare:
        """Averages the groups' shares, each counting the same."""
        asked, right = self._asked[:, columns], self._right[:, columns]
        # A resample may have no image of a group: that group then doesn't count in its mean.
        with np.errstate(invalid="ignore"):
            resampled = (weights @ right) / (weights @ asked)
        counted = np.isfinite(resampled)
        sums = np.where(counted, resampled, 0).sum(axis=1)
        with np.errstate(invalid="ignore"):
            low, high = percentile_interval(sums / counted.sum(axis=1))
        value = float((right.sum(axis=0) / asked.sum(axis=0)).mean())
        return AccuracyShare(value=value, low=low, high=high, num_questions=int(asked.sum()))
