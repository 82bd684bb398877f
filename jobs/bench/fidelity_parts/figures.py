"""Figures of the bench of fidelity: what English images cost, and what each remedy brings back."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from fidelity_parts.runs import Answered, Answers
from fidelity_parts.settings import OTHERS, FidelityBench, arms_of

from palo import languages
from palo.benchmark import Figure, spread
from palo.metrics.intervals import percentile_interval, resampling_weights
from palo.recipes.nano_fidelity import SEEN
from palo.scenes.requests import DESCRIBE

Numbers = npt.NDArray[np.float64]
Good = Callable[[Answered], bool | None]
"""Whether an answer is good; None where that can't be told."""

_LOW = tuple(one.code for one in languages.every() if one.resource == "low")
_GROUPS = {"english": (SEEN,), "others": OTHERS, "low": _LOW}
_RECOVERED, _COST = 98.0, 1.0


def is_faithful(one: Answered) -> bool | None:
    """Returns whether an answer is in the language of the question; None where it's unsure.

    Args:
        one: The outcome.
    """
    return None if one.fidelity == "unsure" else one.fidelity == "right"


def is_right(one: Answered) -> bool | None:
    """Returns whether an answer is the right one.

    Args:
        one: The outcome.
    """
    return one.is_right


class Shares:
    """Shares of good answers, as means over languages.

    Args:
        answers: Outcomes.
        codes: The languages that count.
        good: What is good.
    """

    def __init__(self, answers: Sequence[Answered], codes: Sequence[str], good: Good) -> None:
        self.images = sorted({one.image for one in answers})
        rows = {image: number for number, image in enumerate(self.images)}
        self._good: Numbers = np.zeros((len(rows), len(codes)))
        self._all: Numbers = np.zeros_like(self._good)
        for one in answers:
            if one.language in codes and (found := good(one)) is not None:
                place = rows[one.image], codes.index(one.language)
                self._good[place] += found
                self._all[place] += 1

    def at(self, weights: Numbers) -> Numbers:
        """Returns the mean share, from 0 to 100, for each weighting of the images.

        Args:
            weights: (weightings, images) how often each image counts.
        """
        num_good, num_all = weights @ self._good, weights @ self._all
        # A language without an answer that can be judged doesn't count.
        known = num_all > 0
        shares = np.divide(num_good, num_all, out=np.zeros_like(num_good), where=known)
        means: Numbers = 100 * shares.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return means

    @property
    def value(self) -> float:
        """The mean share, from 0 to 100."""
        return float(self.at(np.ones((1, len(self.images))))[0])


def recovered(lost: Numbers, after: Numbers) -> Numbers:
    """Returns how much of what was lost a remedy has brought back, in percent.

    Args:
        lost: Fidelity after tuning on images in English, from 0 to 100.
        after: Fidelity with the remedy.
    """
    gap = 100 - lost
    shares: Numbers = np.divide(
        100 * (after - lost), gap, out=np.full_like(gap, 100.0), where=gap > 0
    )
    return shares


def fidelity_figures(settings: FidelityBench, answers: Answers) -> Iterator[Figure]:
    """Yields the figures.

    Args:
        settings: The bench's.
        answers: Outcomes by model and seed.
    """
    arms = [arm.name for arm in arms_of(settings)]
    for name in arms:
        runs = [answers[name, seed] for seed in settings.seeds]
        for kind in ("descriptions", "questions"):
            chosen = [_of_kind(one, kind) for one in runs]
            for group, codes in _GROUPS.items():
                for measure, good in (("fidelity", is_faithful), ("accuracy", is_right)):
                    shares = [Shares(one, codes, good).value for one in chosen]
                    yield spread(f"{name}_{measure}_{group}_{kind}", shares, "%")
    together = {
        name: [one for seed in settings.seeds for one in answers[name, seed]] for name in arms
    }
    for name in arms[1:]:
        yield _brought_back(name, together["english"], together[name])
        yield _cost(name, together["english"], together[name])


def _of_kind(answers: Sequence[Answered], kind: str) -> list[Answered]:
    return [one for one in answers if (one.kind == DESCRIBE) == (kind == "descriptions")]


def _brought_back(name: str, lost: Sequence[Answered], after: Sequence[Answered]) -> Figure:
    """Of the fidelity of descriptions in other languages."""
    first, second = (
        Shares(_of_kind(one, "descriptions"), OTHERS, is_faithful) for one in (lost, after)
    )
    return _figure(f"{name}_recovered", "%", first, second, recovered, (_RECOVERED, "higher"))


def _cost(name: str, lost: Sequence[Answered], after: Sequence[Answered]) -> Figure:
    """Of accuracy in English, questions and descriptions alike."""
    first, second = (Shares(one, (SEEN,), is_right) for one in (lost, after))
    return _figure(f"{name}_cost_in_english", "points", first, second, np.subtract,
                   (_COST, "lower"))  # fmt: skip


def _figure(
    name: str,
    unit: str,
    first: Shares,
    second: Shares,
    measure: Callable[[Numbers, Numbers], Numbers],
    goal: tuple[float, Literal["higher", "lower"]],
) -> Figure:
    """Returns a figure with its bootstrap interval over images, all seeds' answers together."""
    assert first.images == second.images
    num = len(first.images)
    whole, drawn = np.ones((1, num)), resampling_weights(num, seed=0)
    value = float(measure(first.at(whole), second.at(whole))[0])
    low, high = percentile_interval(measure(first.at(drawn), second.at(drawn)))
    return Figure(
        name=name, value=value, unit=unit, low=min(low, value), high=max(high, value),
        target=goal[0], better=goal[1],
    )  # fmt: skip
