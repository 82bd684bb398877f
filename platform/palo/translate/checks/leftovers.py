"""The check for words that were left in the source's language, or written in Latin letters."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from palo.translate.checks.case import CheckCase, Side, fault, scripts_of
from palo.translate.language_profiles.profile import language_profile
from palo.translate.protected_spans.quantities import unit_symbols
from palo.translate.translated import CheckResult

# Vowel signs and other marks belong to words, but are no letters for regular expressions.
_WORD = re.compile(r"[^\W\d_][^\s\d.,;:!?…\"“”«»()\[\]،؛؟۔।、，。：；（）/—–]*")
# What stands in brackets explains a translation; what stands between quotation marks is quoted.
_IN_BRACKETS = re.compile("[(（][^()（）\u0370-\U0010ffff]*[)）]")
# A name may have small words within: Newport on the Levee, Marks and Spencer.
_LONG_NAME = re.compile(
    r"(?<![\w'’&-])[A-Z][\w'’&-]*+(?:\s++(?:[a-z]{1,4}\s++){0,2}[A-Z][\w'’&-]*+)++", re.ASCII
)
_QUOTED = re.compile(
    r"\"[^\"\n]{0,120}\"|“[^“”\n]{0,120}”|«[^«»\n]{0,120}»|「[^「」\n]{0,120}」|『[^『』\n]{0,120}』"
    r"|‘[^‘’\n]{0,120}’|'[^'\n]{0,120}'"
)
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’-][A-Za-z\u00c0-\u024f]+)*")
_SMALL_WORD = re.compile(
    r"(?<![\dA-Za-z_\u00c0-\u024f'’@.-])[a-z]{3,}(?![\dA-Za-z_\u00c0-\u024f'’@-])"
)
_VOWEL = re.compile("[aeiouy]")
_LONGEST_NAME = 2
_FEWEST_LETTERS = 3
_MOST_STRANGE_WORDS, _MOST_STRANGE_SMALL_WORDS = 3, 1
_SHOWN = 5


def untranslated(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that keeps words of its source, or is written in Latin letters.

    Names may stay: words with a capital letter don't count.

    Args:
        case: The translation and its source.
    """
    most = case.limits.untranslated_words
    is_latin = "Latn" in case.scripts
    from_latin = "Latn" in scripts_of(case.source_language)
    for side in case.sides:
        if left := _left(side, most):
            reason = f'"{left}" is left in the source\'s language.'
            yield fault("untranslated", side, reason, 0.9)
        elif not is_latin and (romanised := _romanised(side)):
            reason = f'"{romanised}" is in Latin letters, not in {case.language.name}\'s.'
            yield fault("untranslated", side, reason, 0.9)
        elif from_latin and len(words := _words_left(side, case)) > case.limits.unknown_words:
            reason = f'"{", ".join(words[:_SHOWN])}" is left in the source\'s language.'
            yield fault("untranslated", side, reason, 0.8)


def _left(side: Side, most: int) -> str:
    """Returns the longest run of the source's words in a translation, "" if it is short enough."""
    source = [match[0] for match in _WORD.finditer(side.source)]
    if len(source) > _LONGEST_NAME and side.words.strip() == side.source.strip():
        return side.source.strip()
    runs = set(pairwise(word.lower() for word in source))
    longest, run = "", list[str]()
    found = [match[0] for match in _WORD.finditer(_IN_BRACKETS.sub(" ", side.words))]
    for word in [*found, ""]:
        if run and (run[-1].lower(), word.lower()) in runs:
            run.append(word)
            continue
        small = sum(one == one.lower() for one in run)
        if small > most and len(" ".join(run)) > len(longest):
            longest = " ".join(run)
        run = [word]
    return longest


def _romanised(side: Side) -> str:
    """Returns words in Latin letters that the source hasn't, "" for few: names, abbreviations."""
    words = _LATIN_WORD.findall(side.words)
    if not words:
        return ""
    known = {word.casefold() for word in _LATIN_WORD.findall(side.source)} | _symbols()
    strange = [word for word in words if not word.isupper() and word.casefold() not in known]
    if not strange:
        return ""
    strange = [
        word
        for word in _LATIN_WORD.findall(_IN_BRACKETS.sub(" ", side.words))
        if not word.isupper() and word.casefold() not in known
    ]
    num_small = sum(word == word.lower() and len(word) > 1 for word in strange)
    if len(strange) > _MOST_STRANGE_WORDS or num_small > _MOST_STRANGE_SMALL_WORDS:
        return " ".join(strange[:_SHOWN])
    return ""


def _words_left(side: Side, case: CheckCase) -> list[str]:
    """Returns the words of the source that the target language can't have."""
    words = _SMALL_WORD.findall(side.words)
    if not words:
        return []
    source = {*_SMALL_WORD.findall(side.source)} - _symbols()
    if source.isdisjoint(words):
        return []
    outside = _LONG_NAME.sub(" ", _IN_BRACKETS.sub(" ", side.words))
    # What both sides quote may be meant as a word.
    quoted = _quoted_words(side.source) & _quoted_words(side.words)
    left = [
        word
        for word in _SMALL_WORD.findall(outside)
        if word in source and word not in quoted and _VOWEL.search(word)
    ]
    if "Latn" not in case.scripts:
        return left
    shapes, own = _shapes(case.language.code), case.profile.loanwords
    if shapes is None:
        return []
    return [
        word
        for word in left
        if shapes.search(word) and word not in own and word.removesuffix("s") not in own
    ]


def _quoted_words(text: str) -> set[str]:
    """Returns the small words between quotation marks."""
    return {word for part in _QUOTED.findall(text) for word in _SMALL_WORD.findall(part)}


@cache
def _symbols() -> frozenset[str]:
    """Returns the symbols of units in Latin letters, which any language may write."""
    return frozenset(symbol.casefold() for symbol in unit_symbols())


@cache
def _shapes(language: str) -> re.Pattern[str] | None:
    """Returns a pattern for spellings that a language's own words don't have."""
    shapes = language_profile(language).foreign_shapes
    return re.compile("|".join(shapes)) if shapes else None
