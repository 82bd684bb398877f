"""A judge without a model and without a network: ridge regression on an answer's likeness.

It scores from 1 to 5, as the judge did whose scores it was fitted on. It ranks answers; it doesn't
know what is true. Its scores are never the paper's relative score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from palo import config, storage
from palo.errors import MismatchError
from palo.evaluate.judging.likeness import FEATURES, similarity_features

Array = npt.NDArray[np.float64]

_PENALTY = 300.0
_LOWEST, _HIGHEST = 1.0, 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A fitted judge.

    Attributes:
        features: Names of the numbers that it goes by.
        means: Mean of each where it was fitted.
        spreads: Standard deviation of each.
        weights: What a standard deviation of each adds.
        base: The mean score.
        num_answers: How many scored answers it was fitted on.
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
        """Scores one answer, from 1 to 5; an empty one gets 1."""
        if not answer.strip():
            return _LOWEST
        return float(self.scores(np.array([similarity_features(question, answer, reference)]))[0])


def calibrate(rows: Array, scores: Array, codes: Sequence[str]) -> Calibration:
    """Fits a judge.

    Args:
        rows: (N, F) features of the answers.
        scores: (N,) scores of a judge that is to be imitated.
        codes: Language of each answer.
    """
    means, spreads = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = (rows - means) / spreads
    matrix = scaled.T @ scaled + _PENALTY * np.eye(rows.shape[1])
    weights = np.linalg.solve(matrix, scaled.T @ (scores - scores.mean()))
    return Calibration(
        features=FEATURES,
        means=tuple(means.tolist()),
        spreads=tuple(spreads.tolist()),
        weights=tuple(weights.tolist()),
        base=float(scores.mean()),
        num_answers=len(scores),
        languages=tuple(sorted(set(codes))),
    )


def kept_calibration(path: Path | None = None) -> Calibration:
    """Reads a fitted judge: the one that comes with the platform, or another.

    Raises:
        MismatchError: If it was fitted on other numbers than today's.
        StorageError: If it can't be read.
    """
    with as_file(files("palo.evaluate.judging").joinpath("offline_judge.json")) as own:
        values: Mapping[str, object] = storage.read_json(path or own)
    found = config.from_dict(Calibration, values)
    if found.features != FEATURES:
        raise MismatchError(
            "the offline judge was fitted on other features",
            seen=", ".join(sorted(set(found.features) ^ set(FEATURES))) or "in another order",
            fix="Fit it again with jobs/calibrate_judge.py.",
        )
    return found


def spearman(first: Array, second: Array) -> float:
    """Returns Spearman's rank correlation, with mean ranks for ties."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[places]
    return ranks
