"""Checks of the wording: language, script, names."""

import re
from collections import defaultdict
from collections.abc import Iterator

from palo.text.scripts import letters_by_script
from palo.translate.checks.case import CheckCase, Side, fault, scripts_of
from palo.translate.translated import CheckResult, Decision

# Two alphabets whose letters look alike meet within a word only by mistake.
_FEWEST_OTHER_LETTERS = 3
_LATIN_IN_WORD = re.compile("[\u0370-\u04ff][A-Za-z]|[A-Za-z][\u0370-\u04ff]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")
_LATIN_WORD_ALONE = re.compile(r"(?<![A-Za-z])(?<![A-Za-z] )[A-Za-z]++(?! [A-Za-z])")
_NAME = re.compile(r"(?<![.!?\"“] )(?<!^)\b[A-Z][a-zA-Z]{2,}\b")
_MOST_NAMES = 1000
"""A conversation with more names isn't checked."""


def language(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that is in another language.

    Args:
        case: The translation and its source.
    """
    wanted = case.language
    for side in case.sides:
        judgment = case.finder.judge(side.draft, wanted.code)
        if judgment.is_wrong:
            reason = f"This turn is in {judgment.named}, not in {wanted.name}."
            yield fault("language", side, reason, 1.0)


def script(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn with letters of a foreign script.

    Args:
        case: The translation and its source.
    """
    wanted = case.language.script
    own = {*case.scripts, "Latn"}
    source = scripts_of(case.source_language)
    others = frozenset(case.profile.other_letters)
    for side in case.sides:
        foreign = _foreign(side, own, source)
        if sum(foreign.values()) > case.limits.foreign_letters:
            names = ", ".join(foreign)
            reason = f"This turn has letters of a foreign script ({names})."
            yield fault("script", side, reason, 0.9)
        elif others and (letters := _other_letters(side, others)):
            reason = f"{case.language.name} doesn't write the letters {letters}."
            yield fault("script", side, reason, 0.9)
        elif wanted in ("Cyrl", "Latn") and (mixed := _LATIN_IN_WORD.search(side.words)):
            reason = f"A word mixes letters of two alphabets near {mixed[0]!r}."
            yield fault("script", side, reason, 0.9)
        elif letter := _undecided(case, side):
            yield CheckResult(
                check="script",
                decision=Decision.REVIEW,
                reason=f"The letter {letter} could stand for two of {case.language.name}'s.",
                turn=side.number,
                doubt=0.5,
            )


def _undecided(case: CheckCase, side: Side) -> str:
    """Returns a letter that normalizers weren't sure how to write, "" for none."""
    letters = case.profile.undecided_letters
    return next((one for one in letters if one in side.words and one not in side.source), "")


def _other_letters(side: Side, others: frozenset[str]) -> str:
    """Returns letters of another language of the script, "" for few: those of a name."""
    if others.isdisjoint(side.draft):
        return ""
    known = set(side.source)
    found = [letter for letter in side.draft if letter in others and letter not in known]
    return " ".join(dict.fromkeys(found)) if len(found) >= _FEWEST_OTHER_LETTERS else ""


def _foreign(side: Side, own: set[str], source: tuple[str, ...]) -> dict[str, int]:
    """Counts the letters of unexpected scripts, by script.

    A script of neither language is expected where the source has it too.
    """
    found = letters_by_script(side.words)
    if found.keys() <= own:
        return {}
    quoted = letters_by_script(side.protected.text).keys() - {*source}
    return {name: n for name, n in found.items() if name not in own and name not in quoted}


def terms(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each name that some turns keep in Latin letters and others write in the language's.

    Args:
        case: The translation and its source.
    """
    if len(case.sides) < 2 or case.language.script == "Latn":
        return
    # A word that begins a sentence is a name if it has its capital letter within another one.
    names = {name for side in case.sides for name in _NAME.findall(side.source)}
    turns: defaultdict[str, list[int]] = defaultdict(list)
    for side in case.sides:
        words = set(_LATIN_WORD.findall(side.source))
        for name in names & words:
            turns[name].append(side.number)
    if len(turns) > _MOST_NAMES:
        return
    alone = [set(_LATIN_WORD_ALONE.findall(text)) for text in case.texts]
    for name, numbers in turns.items():
        kept = {number for number in numbers if name in alone[number]}
        # As a part of a longer name it is something else.
        numbers = [n for n in numbers if n in kept or name not in case.texts[n]]
        if kept and len(kept) < len(numbers):
            others = ", ".join(str(number + 1) for number in numbers if number not in kept)
            yield CheckResult(
                check="terms",
                decision=Decision.REVIEW,
                reason=f"{name} is kept in some turns but not in turn {others}.",
                turn=next(number for number in numbers if number not in kept),
                doubt=0.6,
            )
