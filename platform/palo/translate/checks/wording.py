"""Checks of the wording: language, script, names, chatter, refusals."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from palo import languages
from palo.text.scripts import letters_by_script
from palo.translate.checks.case import CheckCase, Side, fault, scripts_of
from palo.translate.language_profiles.profile import language_profile
from palo.translate.translated import CheckResult, Decision

# Two alphabets whose letters look alike meet within a word only by mistake.
_FEWEST_OTHER_LETTERS = 3
_LATIN_IN_WORD = re.compile("[\u0370-\u04ff][A-Za-z]|[A-Za-z][\u0370-\u04ff]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")
_LATIN_WORD_ALONE = re.compile(r"(?<![A-Za-z])(?<![A-Za-z] )[A-Za-z]++(?! [A-Za-z])")
_NAME = re.compile(r"(?<![.!?\"“] )(?<!^)\b[A-Z][a-zA-Z]{2,}\b")
_MOST_NAMES = 1000
"""A conversation with more names isn't checked."""
_SENTENCE = re.compile(r"[\n.!?。！？۔।؟(（]+")
# What stands before a first colon.
_COLON = re.compile("[:：]")
_HEAD = re.compile(r"[^:：\n]{2,50}[:：]")
_STOPS = ".。۔।"
_WRAPS = (
    ('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("‹", "›"), ("‘", "’"), ("'", "'"),
    ("「", "」"), ("『", "』"), ("(", ")"), ("（", "）"), ("<", ">"), ("```", "```"), ("**", "**"),
)  # fmt: skip
_QUOTES = tuple({mark[0] for pair in _WRAPS for mark in pair})


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


def chatter(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that begins or ends with words about the translation, or wraps it.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        if _says(side.source, case.source_profile.spoken):
            continue
        phrase = _spoken(case, side.text, side.source)
        if phrase:
            yield fault("chatter", side, f'The translator speaks of its work: "{phrase}".', 1.0)
        elif _is_wrapped(side.text) and _is_unquoted(side.source):
            yield fault("chatter", side, "The translation stands between marks of its own.", 1.0)


def refusal(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that says why it isn't translated.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        if _says(side.source, case.source_profile.refused):
            continue
        phrase = next(
            (
                phrase
                for code in {case.language.code, case.source_language, "en"}
                if (phrase := _says(side.text, language_profile(code).refused))
            ),
            "",
        )
        if phrase:
            yield fault("refusal", side, f'The translator refuses: "{phrase}".', 1.0)


def _spoken(case: CheckCase, text: str, source: str) -> str:
    head = _HEAD.match(text)
    heading = head[0].lower() if head else ""
    is_new = heading and _COLON.search(source) is None
    sentences = [one.strip("*# \"'(（¡").lower() for one in _SENTENCE.split(text.replace("’", "'"))]
    edges = (*sentences[:2], *sentences[-2:])
    for code in {case.language.code, case.source_language, "en"}:
        starts, stems = _phrases(code)
        if said := next((one for one in edges if one.startswith(starts)), ""):
            return next(start for start in starts if said.startswith(start))
        if is_new and (stem := next((one for one in stems if one in heading), "")):
            return stem
    names = {
        name.lower()
        for one in (case.language, languages.get(case.source_language))
        for name in (one.name, one.native_name)
    }
    if any(name in heading and name not in source.lower() for name in names):
        return heading.strip()
    return ""


@cache
def _phrases(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the beginnings of sentences about a translation, and the stems of its headings."""
    spoken = language_profile(language).spoken
    return tuple(one.rstrip("!") for one in spoken), tuple(one.rstrip(":：!,") for one in spoken)


def _says(text: str, phrases: tuple[str, ...]) -> str:
    """Returns the first phrase that a text has, "" for none."""
    lower = text.lower().replace("’", "'")
    return next((phrase for phrase in phrases if phrase in lower), "")


def _is_unquoted(source: str) -> bool:
    source = source.strip()
    return not source.startswith(_QUOTES) and not source.endswith(_QUOTES)


def _is_wrapped(text: str) -> bool:
    text = text.strip().rstrip(_STOPS)
    return any(
        len(text) > len(first) + len(last)
        and text.startswith(first)
        and text.endswith(last)
        and first not in text[len(first) : -len(last)]
        for first, last in _WRAPS
    )
