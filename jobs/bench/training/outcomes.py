"""What became of held-out questions, and the shares of good answers with their intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palo.benchmark import Better, Figure
from palo.evaluate.measures import Measures
from palo.metrics.fidelity import Fidelity
from palo.metrics.intervals import percentile_interval, resampling_weights

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What became of a held-out question.

    Attributes:
        image: Name of its image.
        language: ISO 639-1 code.
        kind: Kind of the question; DESCRIBE for a request to describe the image.
        is_right: Whether the answer is the right one.
        fidelity: Whether it is in the question's language.
    """

    image: str
    language: str
    kind: str
    is_right: bool
    fidelity: Fidelity


Good = Callable[[Answered], bool | None]
"""Whether an answer is good; None where that can't be told."""


def outcome(one: Measures) -> Answered:
    """Returns what became of a question.

    Args:
        one: The measures of its answer.
    """
    return Answered(
        image=one.item.image.name,
        language=one.item.language,
        kind=one.item.category,
        is_right=one.exact,
        fidelity=one.fidelity,
    )


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
    def num_judged(self) -> int:
        """Answers that can be judged."""
        return int(self._all.sum())

    @property
    def value(self) -> float:
        """The mean share, from 0 to 100."""
        return float(self.at(np.ones((1, len(self.images))))[0])


def share_figure(name: str, shares: Shares) -> Figure:
    """Returns the figure of a share, with its bootstrap interval over images.

    Args:
        name: Name of the figure.
        shares: The share.
    """
    drawn = shares.at(resampling_weights(len(shares.images), seed=0))
    return _within(name, "%", shares.value, drawn)


def compared(
    name: str,
    unit: str,
    pair: tuple[Shares, Shares],
    measure: Callable[[Numbers, Numbers], Numbers],
    goal: tuple[float, Better] | None = None,
) -> Figure:
    """Returns the figure of two shares of the same images, with its bootstrap interval over these.

    Args:
        name: Name of the figure.
        unit: Its unit.
        pair: The shares.
        measure: Computes the figure from both, as arrays of percent.
        goal: What it should reach, and which way is better; None for no target.
    """
    first, second = pair
    assert first.images == second.images
    num = len(first.images)
    whole, drawn = np.ones((1, num)), resampling_weights(num, seed=0)
    value = float(measure(first.at(whole), second.at(whole))[0])
    return _within(name, unit, value, measure(first.at(drawn), second.at(drawn)), goal)


def _within(
    name: str, unit: str, value: float, drawn: Numbers, goal: tuple[float, Better] | None = None
) -> Figure:
    low, high = percentile_interval(drawn)
    target, better = goal or (None, None)
    return Figure(
        name=name, value=value, unit=unit, low=min(low, value), high=max(high, value),
        target=target, better=better,
    )  # fmt: skip
