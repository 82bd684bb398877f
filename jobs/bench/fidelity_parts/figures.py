"""Figures of the bench of fidelity: what English images cost, and what each remedy brings back."""

from collections.abc import Iterator, Sequence

import numpy as np
from fidelity_parts.runs import Answers
from fidelity_parts.settings import OTHERS, FidelityBench, arms_of
from training.outcomes import Answered, Numbers, Shares, compared, is_faithful, is_right

from palo import languages
from palo.benchmark import Figure, spread
from palo.recipes.nano_fidelity import SEEN
from palo.scenes.requests import DESCRIBE

_LOW = tuple(one.code for one in languages.every() if one.resource == "low")
_GROUPS = {"english": (SEEN,), "others": OTHERS, "low": _LOW}
_RECOVERED, _COST = 98.0, 1.0


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
    return compared(f"{name}_recovered", "%", (first, second), recovered, (_RECOVERED, "higher"))


def _cost(name: str, lost: Sequence[Answered], after: Sequence[Answered]) -> Figure:
    """Of accuracy in English, questions and descriptions alike."""
    first, second = (Shares(one, (SEEN,), is_right) for one in (lost, after))
    return compared(f"{name}_cost_in_english", "points", (first, second), np.subtract,
                    (_COST, "lower"))  # fmt: skip
