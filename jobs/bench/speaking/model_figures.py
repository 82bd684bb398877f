"""Figures of models with their own vocabulary and with an extended one."""

from collections.abc import Iterator, Sequence

import numpy as np
from speaking.models import SIDES, Side
from speaking.tokens import Pair, ratio
from speaking.trained import Spoken, Trained
from training.outcomes import Shares, compared, is_faithful, is_right, share_figure

from palo import languages
from palo.benchmark import Figure, resampled, spread

_MEASURES = (("accuracy", is_right), ("fidelity", is_faithful))
_GIB = 1 << 30


def model_figures(name: str, found: Trained, chosen: Sequence[str]) -> Iterator[Figure]:
    """Yields what one model cost and said with both vocabularies.

    Args:
        name: Name of the model, the first word of its figures.
        found: Its outcomes.
        chosen: Languages that got pieces.
    """
    yield _exact(f"{name}_new_tokens", found.new_tokens, "tokens")
    for side in SIDES:
        answers = [one for one in found.answers if one.side == side]
        yield from _corpus(name, side, found)
        yield from _training(name, side, found)
        for code in languages.codes():
            yield from _of_language(f"{name}_{code}", side, answers, code)
    yield _training_ratio(name, found)
    others = [code for code in languages.codes() if code not in chosen]
    for group, codes in (("extended", chosen), ("other", others)):
        yield from _changes(f"{name}_{group}", found.answers, codes)


def _exact(name: str, value: float, unit: str) -> Figure:
    return Figure(name=name, value=float(value), unit=unit, low=float(value), high=float(value))


def _corpus(name: str, side: Side, found: Trained) -> Iterator[Figure]:
    counts = found.corpora[side]
    for one in counts:
        tokens = one.num_text_tokens / one.num_records
        yield _exact(f"{name}_{one.language}_tokens_a_record_{side}", tokens, "tokens")
    total = sum(one.num_text_tokens for one in counts)
    yield _exact(f"{name}_corpus_tokens_{side}", total, "tokens")


def _training(name: str, side: Side, found: Trained) -> Iterator[Figure]:
    runs = found.stages[side]
    yield spread(f"{name}_training_steps_{side}", [float(one.num_steps) for one in runs], "steps")
    yield spread(f"{name}_training_cpu_s_{side}", [one.cpu_s for one in runs], "s")
    peaks = [one.peak_memory_bytes / _GIB for one in runs]
    yield spread(f"{name}_training_peak_gib_{side}", peaks, "GiB")


def _training_ratio(name: str, found: Trained) -> Figure:
    ratios = [
        after.cpu_s / before.cpu_s
        for before, after in zip(found.stages["before"], found.stages["after"], strict=True)
    ]
    return spread(f"{name}_training_cpu_after_to_before", ratios, "1")


def _of_language(name: str, side: Side, answers: Sequence[Spoken], code: str) -> Iterator[Figure]:
    own = [one for one in answers if one.answered.language == code]
    outcomes = [one.answered for one in own]
    for measure, good in _MEASURES:
        shares = Shares(outcomes, (code,), good)
        if shares.num_judged:
            yield share_figure(f"{name}_{measure}_{side}", shares)
    yield resampled(f"{name}_chrf_{side}", ratio, _chrf_by_image(own), "1")
    seconds = [(cost, 1.0) for cost in _cpu_by_batch(own).values()]
    yield resampled(f"{name}_cpu_s_an_answer_{side}", ratio, seconds, "s")


def _chrf_by_image(answers: Sequence[Spoken]) -> list[Pair]:
    """Returns the sum and the number of answers of each image, since these stand together."""
    sums: dict[str, Pair] = {}
    for one in answers:
        total, count = sums.get(one.answered.image, (0.0, 0.0))
        sums[one.answered.image] = (total + one.chrf, count + 1)
    return list(sums.values())


def _cpu_by_batch(answers: Sequence[Spoken]) -> dict[tuple[str, int], float]:
    """Returns the mean CPU seconds of an answer by language and batch, over the seeds."""
    found: dict[tuple[str, int], list[float]] = {}
    for one in answers:
        found.setdefault((one.answered.language, one.batch), []).append(one.cpu_s)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _changes(name: str, answers: Sequence[Spoken], codes: Sequence[str]) -> Iterator[Figure]:
    """Yields what the new pieces changed for some languages, on the same questions."""
    sides = {
        side: [one for one in answers if one.side == side and one.answered.language in codes]
        for side in SIDES
    }
    for measure, good in _MEASURES:
        before, after = (
            Shares([one.answered for one in sides[side]], codes, good) for side in SIDES
        )
        yield compared(f"{name}_{measure}_change", "points", (after, before), np.subtract)
    before_s, after_s = (_cpu_by_batch(sides[side]) for side in SIDES)
    pairs = [(cost, before_s[key]) for key, cost in after_s.items()]
    yield resampled(f"{name}_cpu_an_answer_after_to_before", ratio, pairs, "1")
