"""A judge without a model and without a network: ridge regression on features of an answer.

It scores from 1 to 5, like the judge whose scores it was fitted on. It ranks answers; it doesn't
know facts. Its scores are never the paper's relative score.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from palo import config, storage
from palo.errors import MismatchError
from palo.metrics.chrf import chrf
from palo.metrics.degeneration import refuses, repetition
from palo.metrics.matching import folded
from palo.text.scripts import letters_by_script

_SIZES = (3, 5)
_NUMBER = re.compile(r"\d+")
_LIST_MARKS = ("**", "- ")
_ENDS = '.!?。।۔؟！？…)”"'

FEATURES = (
    "chrf", "log_length", "log_ratio", "shortfall",
    "recall_3", "new_recall_3", "new_precision_3", "precision_3", "echo_3",
    "recall_5", "new_recall_5", "new_precision_5", "precision_5", "echo_5",
    "script", "repetition", "refuses", "number_recall", "distinct", "lines", "list_marks", "ends",
)  # fmt: skip
"""Names of the features, in their order."""


def similarity_features(question: str, answer: str, reference: str) -> list[float]:
    """Returns features of the similarity of an answer and its reference, alike in all languages.

    n-grams are of three and of five characters of the folded texts; new ones are not in the
    question, so that repeating the question gains nothing.

    Args:
        question: The question.
        answer: The answer.
        reference: The reference answer.
    """
    answer_text, reference_text, question_text = folded(answer), folded(reference), folded(question)
    log_ratio = math.log(max(1, len(answer_text)) / max(1, len(reference_text)))
    return [
        chrf(answer, [reference]),
        math.log(max(1, len(answer_text))),
        log_ratio,
        min(0.0, log_ratio),
        *(
            number
            for size in _SIZES
            for number in _overlap(answer_text, reference_text, question_text, size)
        ),
        _same_scripts(answer, reference),
        repetition(answer),
        float(refuses(answer)),
        _number_recall(answer_text, reference_text),
        len(set(_ngrams(answer_text, 4))) / max(1, len(answer_text) - 3),
        math.log1p(answer.count("\n")),
        math.log1p(sum(answer.count(mark) for mark in _LIST_MARKS)),
        float(answer.rstrip()[-1:] in tuple(_ENDS)),
    ]


def _overlap(
    answer_text: str, reference_text: str, question_text: str, size: int
) -> tuple[float, ...]:
    """Returns recall, recall and precision of new n-grams, precision, and the question's share."""
    ours, theirs = _ngrams(answer_text, size), _ngrams(reference_text, size)
    question = set(_ngrams(question_text, size))
    both = sum(min(count, theirs[ngram]) for ngram, count in ours.items() if ngram in theirs)
    new = {ngram for ngram in theirs if ngram not in question}
    own = [ngram for ngram in ours if ngram not in question]
    hits = sum(ngram in new for ngram in own)
    return (
        both / max(1, theirs.total()),
        hits / max(1, len(new)),
        hits / max(1, len(own)),
        both / max(1, ours.total()),
        (len(ours) - len(own)) / max(1, len(ours)),
    )


def _ngrams(text: str, size: int) -> Counter[str]:
    return Counter(text[start : start + size] for start in range(len(text) - size + 1))


def _same_scripts(answer: str, reference: str) -> float:
    """Returns how far both texts are written in the same scripts, from 0 to 1."""
    ours, theirs = _shares(answer), _shares(reference)
    return sum(min(share, theirs.get(script, 0.0)) for script, share in ours.items())


def _shares(text: str) -> Mapping[str, float]:
    letters = letters_by_script(text)
    total = max(1, sum(letters.values()))
    return {script: count / total for script, count in letters.items()}


def _number_recall(answer_text: str, reference_text: str) -> float:
    """Returns the share of the reference's numbers in the answer; a half if there are none."""
    theirs = set(_NUMBER.findall(reference_text))
    return len(theirs & set(_NUMBER.findall(answer_text))) / len(theirs) if theirs else 0.5


Array = npt.NDArray[np.float64]

_PENALTY = 300.0
_LOWEST, _HIGHEST = 1.0, 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OfflineJudge:
    """A fitted offline judge.

    Attributes:
        features: Names of its features.
        means: Mean of each in the data it was fitted on.
        spreads: Standard deviation of each.
        weights: Points for one standard deviation of each.
        base: The mean score.
        num_answers: Number of scored answers it was fitted on.
        languages: ISO 639-1 codes of their languages.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    weights: tuple[float, ...]
    base: float
    num_answers: int
    languages: tuple[str, ...]

    def scores(self, rows: Array) -> Array:
        """Scores answers.

        Args:
            rows: (N, F) features.

        Returns:
            (N,) scores from 1 to 5.
        """
        scaled = (rows - np.array(self.means)) / np.array(self.spreads)
        raw: Array = self.base + scaled @ np.array(self.weights)
        return np.clip(raw, _LOWEST, _HIGHEST)

    def score(self, question: str, answer: str, reference: str) -> float:
        """Scores one answer, from 1 to 5; an empty one gets 1.

        Args:
            question: The question.
            answer: The answer.
            reference: The reference answer.
        """
        if not answer.strip():
            return _LOWEST
        return float(self.scores(np.array([similarity_features(question, answer, reference)]))[0])


def calibrate(rows: Array, scores: Array, codes: Sequence[str]) -> OfflineJudge:
    """Fits a judge.

    Args:
        rows: (N, F) features of the answers.
        scores: (N,) scores of the judge to imitate.
        codes: Language of each answer.
    """
    means, spreads = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = (rows - means) / spreads
    matrix = scaled.T @ scaled + _PENALTY * np.eye(rows.shape[1])
    weights = np.linalg.solve(matrix, scaled.T @ (scores - scores.mean()))
    return OfflineJudge(
        features=FEATURES,
        means=tuple(means.tolist()),
        spreads=tuple(spreads.tolist()),
        weights=tuple(weights.tolist()),
        base=float(scores.mean()),
        num_answers=len(scores),
        languages=tuple(sorted(set(codes))),
    )


def load_offline_judge(path: Path | None = None) -> OfflineJudge:
    """Reads a fitted judge.

    Args:
        path: File of a fitted judge; the one of this package by default.

    Raises:
        MismatchError: If it was fitted on other features.
        StorageError: If it can't be read.
    """
    with as_file(files("palo.evaluate.judging").joinpath("offline_judge.json")) as own:
        values: Mapping[str, object] = storage.read_json(path or own)
    found = config.from_dict(OfflineJudge, values)
    if found.features != FEATURES:
        raise MismatchError(
            "the offline judge was fitted on other features",
            seen=", ".join(sorted(set(found.features) ^ set(FEATURES))) or "in another order",
            fix="Fit it again with jobs/calibrate_judge.py.",
        )
    return found


def spearman(first: Array, second: Array) -> float:
    """Returns Spearman's rank correlation, with mean ranks for ties.

    Args:
        first: (N,) scores.
        second: (N,) scores of the same answers.
    """
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[places]
    return ranks
