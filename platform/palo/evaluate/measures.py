"""Measures of answers that need no judge, for each answer and by language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.judging.offline import OfflineJudge, load_offline_judge
from palo.metrics.chrf import chrf
from palo.metrics.degeneration import is_cut_off, refuses, repeats_itself, repetition
from palo.metrics.fidelity import Fidelity, answer_language
from palo.metrics.hallucination import Mentions, YesNoScores, mentions, yes_no_scores
from palo.metrics.matching import exact, relaxed
from palo.metrics.yes_no import YesOrNo, yes_or_no


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """Measures of one answer.

    Attributes:
        item: The question.
        exact: Whether it is one of the right answers.
        relaxed: The same, whatever its case, punctuation and digits.
        chrf: Similarity to the references, from 0 to 100.
        num_characters: Its length.
        language: Its language as far as it can be identified.
        fidelity: Whether that is the language wanted.
        repetition: Share of it that repeats earlier words, from 0 to 1.
        repeats: Whether at least half of it does.
        refuses: Whether it refuses.
        cut_off: Whether it broke off.
        mentions: Objects that it mentions; None where the image's objects are unknown.
        yes_or_no: Its yes or no; None if neither, or for other questions.
        offline: The offline judge's score from 1 to 5; None without that judge.
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
    yes_or_no: YesOrNo | None
    offline: float | None


def measure(
    items: Sequence[BenchItem], answers: Sequence[ModelAnswer], *, offline: bool = False
) -> list[Measures]:
    """Measures answers.

    Args:
        items: The questions.
        answers: One for each, in the same order.
        offline: Also scores with the offline judge, which is meant for open answers.

    Raises:
        ValueError: If an answer belongs to another question.
    """
    codes = {item.language for item in items}
    vocabularies = {code: vocabulary(items, code) for code in codes}
    judge = load_offline_judge() if offline else None
    return [
        _measured(item, answer, vocabularies[item.language], judge)
        for item, answer in zip(items, answers, strict=True)
    ]


def _measured(
    item: BenchItem, answer: ModelAnswer, names: Sequence[str], judge: OfflineJudge | None
) -> Measures:
    if answer.key != item.key:
        raise ValueError(f"{answer.key} is no answer to {item.key}")
    language, fidelity = answer_language(answer.text, item.expected_language)
    decision = yes_or_no(answer.text) if item.yes_no else None
    return Measures(
        item=item,
        exact=exact(answer.text, item.references),
        relaxed=decision in item.references or relaxed(answer.text, item.references),
        chrf=chrf(answer.text, item.references),
        num_characters=len(answer.text),
        language=language,
        fidelity=fidelity,
        repetition=repetition(answer.text),
        repeats=repeats_itself(answer.text),
        refuses=refuses(answer.text),
        cut_off=is_cut_off(answer.text, answer.finish_reason),
        mentions=(
            None
            if item.objects is None
            else mentions(answer.text, item.objects, item.context, names)
        ),
        yes_or_no=decision,
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
        fidelity: Of the answers whose language is identified, the share in the right one; empty
            answers count as wrong. None if no answer's language is.
        unsure: Share whose language can't be identified.
        empty: Share without a word.
        repeats: Share that repeats itself.
        refuses: Share that refuses.
        cut_off: Share that broke off.
        hallucinated: Of the objects that answers mention, the share that isn't there (CHAIRi); None
            where the images' objects are unknown.
        answers_hallucinating: Share of answers that mention such an object (CHAIRs); None
            likewise.
        yes_no: Scores of yes/no questions (POPE); None where there is none.
        offline: Mean of the offline judge's scores, from 1 to 5; None without that judge.
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
    yes_no: YesNoScores | None
    offline: float | None


def summary(measured: Sequence[Measures]) -> Summary:
    """Averages measures.

    Args:
        measured: At least one.
    """
    decided = [one.fidelity == "right" for one in measured if one.fidelity != "unsure"]
    known = [one.mentions for one in measured if one.mentions is not None]
    offline = [one.offline for one in measured if one.offline is not None]
    decisions: list[tuple[YesOrNo, YesOrNo | None]] = [
        ("yes" if "yes" in one.item.references else "no", one.yes_or_no)
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
        yes_no=yes_no_scores(decisions) if decisions else None,
        offline=fmean(offline) if offline else None,
    )


def by_language(measured: Iterable[Measures]) -> dict[str, Summary]:
    """Averages measures for each language, in the order of their first answers.

    Args:
        measured: Any number.
    """
    groups: dict[str, list[Measures]] = {}
    for one in measured:
        groups.setdefault(one.item.language, []).append(one)
    return {code: summary(group) for code, group in groups.items()}


def vocabulary(items: Iterable[BenchItem], language: str) -> tuple[str, ...]:
    """Returns the names of all objects that the questions of one language know.

    Args:
        items: The questions.
        language: ISO 639-1 code.
    """
    known = {name for item in items if item.language == language for name in (item.objects or ())}
    return tuple(sorted(known))
