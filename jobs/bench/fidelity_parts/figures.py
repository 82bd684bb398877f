"""Figures of the bench of fidelity: what English images cost, and what each remedy brings back."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from fidelity_parts.runs import BEFORE, Answered, Answers
from fidelity_parts.settings import OTHERS, FidelityBench, arms_of

from palo import languages
from palo.benchmark import Figure, resampled, spread
from palo.recipes.nano_fidelity import SEEN

_LOW = tuple(one.code for one in languages.every() if one.resource == "low")
_RECOVERED, _COST = 98.0, 1.0
Round = dict[str, list[Answered]]
"""Outcomes of the questions about one image by model, those of all seeds together."""


def fidelity(answers: Sequence[Answered], codes: Sequence[str]) -> float:
    """Returns the share of answers in the language of the question, as a mean over languages.

    Args:
        answers: Outcomes.
        codes: The languages that count. Answers whose language can't be told don't.

    Returns:
        From 0 to 100.
    """
    decided = [one for one in answers if one.fidelity != "unsure"]
    return _mean(decided, codes, [one.fidelity == "right" for one in decided])


def accuracy(answers: Sequence[Answered], codes: Sequence[str]) -> float:
    """Returns the share of right answers, as a mean over languages.

    Args:
        answers: Outcomes.
        codes: The languages that count.

    Returns:
        From 0 to 100.
    """
    return _mean(answers, codes, [one.is_right for one in answers])


def _mean(answers: Sequence[Answered], codes: Sequence[str], is_good: Sequence[bool]) -> float:
    groups: dict[str, list[bool]] = {}
    for one, good in zip(answers, is_good, strict=True):
        groups.setdefault(one.language, []).append(good)
    return 100 * fmean(fmean(groups[code]) for code in codes if code in groups)


def recovered(before: float, lost: float, after: float) -> float:
    """Returns how much of what was lost a remedy has brought back, in percent.

    Args:
        before: Fidelity before tuning on images.
        lost: Fidelity after tuning on images in English.
        after: Fidelity with the remedy.
    """
    return 100.0 if before <= lost else 100 * (after - lost) / (before - lost)


def fidelity_figures(settings: FidelityBench, answers: Answers) -> Iterator[Figure]:
    """Yields the figures.

    Args:
        settings: The bench's.
        answers: Outcomes by model and seed.
    """
    arms = [arm.name for arm in arms_of(settings)]
    for name in (BEFORE, *arms):
        runs = [answers[name, seed] for seed in settings.seeds]
        for part, codes in (("english", (SEEN,)), ("others", OTHERS), ("low", _LOW)):
            if part != "english":
                yield spread(f"{name}_fidelity_{part}", [fidelity(one, codes) for one in runs], "%")
            yield spread(f"{name}_accuracy_{part}", [accuracy(one, codes) for one in runs], "%")
    rounds = _rounds(settings, answers)
    for name in arms[1:]:

        def brought_back(chosen: Sequence[Round], name: str = name) -> float:
            before, lost, after = (
                fidelity(_joined(chosen, one), OTHERS) for one in (BEFORE, "english", name)
            )
            return recovered(before, lost, after)

        def cost(chosen: Sequence[Round], name: str = name) -> float:
            lost, after = (accuracy(_joined(chosen, one), (SEEN,)) for one in ("english", name))
            return lost - after

        yield resampled(f"{name}_recovered", brought_back, rounds, "%",
                        target=_RECOVERED, better="higher")  # fmt: skip
        yield resampled(f"{name}_cost_in_english", cost, rounds, "points",
                        target=_COST, better="lower")  # fmt: skip


def _rounds(settings: FidelityBench, answers: Answers) -> list[Round]:
    """Returns the outcomes image by image: questions about one are right or wrong together."""
    images: dict[str, Round] = {}
    for (name, seed), outcomes in answers.items():
        assert seed in settings.seeds
        for one in outcomes:
            images.setdefault(one.image, {}).setdefault(name, []).append(one)
    return [images[image] for image in sorted(images)]


def _joined(rounds: Sequence[Round], name: str) -> list[Answered]:
    return [one for part in rounds for one in part[name]]
