"""Evaluates the offline judge in languages that it wasn't fitted on, beside chrF and length."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from palo.errors import DataError
from palo.evaluate.benches.rows import Row, read_rows
from palo.evaluate.judging.offline import FEATURES, Array, calibrate, similarity_features, spearman
from palo.metrics.intervals import percentile_interval

_NUM_RESAMPLES = 500


class ScoredAnswers(NamedTuple):
    """Answers of several systems that a judge has scored, in one language.

    Attributes:
        rows: (N, F) features.
        scores: (N,) the judge's scores.
        questions: Which question each answer is to; answers to one are resampled together.
        systems: Which system gave each.
    """

    rows: Array
    scores: Array
    questions: Sequence[str]
    systems: Sequence[str]


class HeldOut(NamedTuple):
    """Spearman's correlation with the judge, item by item, in one language.

    Attributes:
        judge: Of the offline judge, fitted without this language (and whatever else is held out).
        chrf: Of chrF.
        length: Of the answer's length.
        over_chrf: 95 % interval of judge - chrf, over questions.
        over_length: 95 % interval of judge - length.
    """

    judge: float
    chrf: float
    length: float
    over_chrf: tuple[float, float]
    over_length: tuple[float, float]


def read_scored(path: Path, every: int = 1) -> ScoredAnswers:
    """Reads JSON lines with system, task, instance, question, reference, response and score.

    Args:
        path: The file.
        every: Step between the lines that are read.

    Raises:
        DataError: If a line lacks a field.
        StorageError: If the file can't be read.
    """
    lines = read_rows(path)[::every]
    if not lines:
        raise DataError(f"{path} holds no scored answer", fix="Name a file of JSON lines.")
    return ScoredAnswers(
        rows=np.array([_features(line) for line in lines]),
        scores=np.array([float(line.text("score")) for line in lines]),
        questions=[f"{line.text('task')} {line.text('instance')}" for line in lines],
        systems=[_system(line.text("system")) for line in lines],
    )


def _system(name: str) -> str:
    """Returns a system's name without its language: X-English and X-Chinese are one system."""
    return name.rpartition("-")[0] or name.partition("_")[2] or name


def _features(line: Row) -> list[float]:
    response = line.values.get("response")  # a system may have given none
    return similarity_features(line.text("question"), str(response or ""), line.text("reference"))


def held_out(
    answers: Mapping[str, ScoredAnswers], *, systems_too: bool = False
) -> dict[str, HeldOut]:
    """Fits on all languages but one, and scores that one; for each in turn.

    Args:
        answers: By language, at least two.
        systems_too: Also leaves out the system whose answers are scored.
    """
    found = {}
    for code, own in answers.items():
        others = [(other, one) for other, one in answers.items() if other != code]
        rows = np.vstack([one.rows for _, one in others])
        scores = np.concatenate([one.scores for _, one in others])
        codes = [other for other, one in others for _ in one.scores]
        systems = np.array([system for _, one in others for system in one.systems])
        given = np.zeros(len(own.scores))
        for system in sorted(set(own.systems)) if systems_too else [None]:
            train = np.ones(len(scores), bool) if system is None else systems != system
            test = np.array([system is None or one == system for one in own.systems])
            fitted = calibrate(rows[train], scores[train], codes)
            given[test] = fitted.scores(own.rows[test])
        found[code] = _compared(own, given)
    return found


def _compared(own: ScoredAnswers, given: Array) -> HeldOut:
    chrf = own.rows[:, FEATURES.index("chrf")]
    length = own.rows[:, FEATURES.index("log_length")]
    return HeldOut(
        judge=spearman(given, own.scores),
        chrf=spearman(chrf, own.scores),
        length=spearman(length, own.scores),
        over_chrf=_interval(own, given, chrf),
        over_length=_interval(own, given, length),
    )


def _interval(own: ScoredAnswers, given: Array, other: Array) -> tuple[float, float]:
    names = sorted(set(own.questions))
    places = [np.flatnonzero(np.array(own.questions) == name) for name in names]
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(_NUM_RESAMPLES):
        picked = np.concatenate([places[i] for i in generator.integers(0, len(names), len(names))])
        scores = own.scores[picked]
        drawn.append(spearman(given[picked], scores) - spearman(other[picked], scores))
    return percentile_interval(np.array(drawn))
