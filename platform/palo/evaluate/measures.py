"""All measures of answers that need no judge, one by one and by language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.item import BenchItem
from palo.evaluate.degeneration import is_cut_off, refuses, repeats_itself, repetition
from palo.evaluate.judging.offline import Calibration, kept_calibration
from palo.evaluate.objects import Mentions, mentions, vocabulary
from palo.metrics.chrf import chrf
from palo.metrics.fidelity import Fidelity, spoken
from palo.metrics.matching import exact, relaxed
from palo.metrics.yes_no import Said, YesNo, said, yes_no


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """What can be told of one answer.

    Attributes:
        item: Its question.
        exact: Whether it is one of the right answers.
        relaxed: The same, whatever its case, punctuation and digits.
        chrf: Likeness to the references, from 0 to 100.
        num_characters: Its length.
        language: The language that it is in, as far as that can be told.
        fidelity: Whether that is the language wanted.
        repetition: Share of it that repeats what came before, from 0 to 1.
        repeats: Whether at least half of it does.
        refuses: Whether it apologises or says that it can't.
        cut_off: Whether it broke off.
        mentions: Objects that it speaks of; None where it isn't known what the image shows.
        says: Whether it says yes or no; None if neither, or where that isn't asked.
        offline: What the offline judge gives it, from 1 to 5; None if that wasn't asked for.
    """

    item: BenchItem
    exact: bool
    relaxed: bool
    chrf: float
    num_characters: int
    language: str | None
    fidelity: Fidelity
    repetition: float
    repeats: bool
    refuses: bool
    cut_off: bool
    mentions: Mentions | None
    says: Said | None
    offline: float | None


def measure(
    items: Sequence[BenchItem], answers: Sequence[ModelAnswer], *, offline: bool = False
) -> list[Measures]:
    """Measures answers.

    Args:
        items: The questions.
        answers: One for each, in the same order.
        offline: Asks the offline judge too, which was made for open answers.

    Raises:
        ValueError: If an answer belongs to another question.
    """
    codes = {item.language for item in items}
    names = {code: vocabulary(items, code) for code in codes}
    judge = kept_calibration() if offline else None
    return [
        _measured(item, answer, names[item.language], judge)
        for item, answer in zip(items, answers, strict=True)
    ]


def _measured(
    item: BenchItem, answer: ModelAnswer, names: Sequence[str], judge: Calibration | None
) -> Measures:
    if answer.key != item.key:
        raise ValueError(f"{answer.key} is no answer to {item.key}")
    language, fidelity = spoken(answer.text, item.expected_language)
    says = said(answer.text) if item.yes_no else None
    return Measures(
        item=item,
        exact=exact(answer.text, item.references),
        relaxed=says in item.references or relaxed(answer.text, item.references),
        chrf=chrf(answer.text, item.references),
        num_characters=len(answer.text),
        language=language,
        fidelity=fidelity,
        repetition=repetition(answer.text),
        repeats=repeats_itself(answer.text),
        refuses=refuses(answer.text),
        cut_off=is_cut_off(answer),
        mentions=mentions(answer.text, item, names),
        says=says,
        offline=(
            None if judge is None else judge.score(item.question, answer.text, item.references[0])
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Measures of many answers; shares are from 0 to 1.

    Attributes:
        num_answers: How many.
        exact: Share of exact matches.
        relaxed: Share of relaxed matches.
        chrf: Mean, from 0 to 100.
        mean_characters: Mean length.
        fidelity: Of the answers whose language can be told, the share in the right one; empty
            answers count as wrong. None if no answer's language can be told.
        unsure: Share whose language can't be told.
        empty: Share without a word.
        repeats: Share that repeats itself.
        refuses: Share that refuses.
        cut_off: Share that broke off.
        hallucinated: Of the objects that answers speak of, the share that isn't there (CHAIRi);
            None where it isn't known what the images show.
        answers_hallucinating: Share of answers that speak of such an object (CHAIRs); None alike.
        yes_no: Scores of questions of yes or no (POPE); None where there is none.
        offline: Mean of the offline judge's scores, from 1 to 5; None if it wasn't asked.
    """

    num_answers: int
    exact: float
    relaxed: float
    chrf: float
    mean_characters: float
    fidelity: float | None
    unsure: float
    empty: float
    repeats: float
    refuses: float
    cut_off: float
    hallucinated: float | None
    answers_hallucinating: float | None
    yes_no: YesNo | None
    offline: float | None


def summary(measured: Sequence[Measures]) -> Summary:
    """Sums up the measures of at least one answer."""
    decided = [one.fidelity == "right" for one in measured if one.fidelity != "unsure"]
    known = [one.mentions for one in measured if one.mentions is not None]
    offline = [one.offline for one in measured if one.offline is not None]
    asked: list[tuple[Said, Said | None]] = [
        ("yes" if "yes" in one.item.references else "no", one.says)
        for one in measured
        if one.item.yes_no
    ]
    num_mentioned = sum(len(one.mentioned) for one in known)
    num_missing = sum(len(one.hallucinated) for one in known)
    return Summary(
        num_answers=len(measured),
        exact=fmean(one.exact for one in measured),
        relaxed=fmean(one.relaxed for one in measured),
        chrf=fmean(one.chrf for one in measured),
        mean_characters=fmean(one.num_characters for one in measured),
        fidelity=fmean(decided) if decided else None,
        unsure=fmean(one.fidelity == "unsure" for one in measured),
        empty=fmean(one.fidelity == "empty" for one in measured),
        repeats=fmean(one.repeats for one in measured),
        refuses=fmean(one.refuses for one in measured),
        cut_off=fmean(one.cut_off for one in measured),
        hallucinated=num_missing / num_mentioned if num_mentioned else (0.0 if known else None),
        answers_hallucinating=fmean(bool(one.hallucinated) for one in known) if known else None,
        yes_no=yes_no(asked) if asked else None,
        offline=fmean(offline) if offline else None,
    )


def by_language(measured: Iterable[Measures]) -> dict[str, Summary]:
    """Sums measures up for each language, in the order of their first answers."""
    groups: dict[str, list[Measures]] = {}
    for one in measured:
        groups.setdefault(one.item.language, []).append(one)
    return {code: summary(group) for code, group in groups.items()}
