"""Numbers that a text writes in words, as far as its language's profile lists the words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from palo.text.normal_form import normalized
from palo.translate.language_profiles.profile import language_profile

_HAN = re.compile("[〇零一二两三四五六七八九十百千万亿億]+")
# Tenths: 七割 in Japanese, 七成 in Chinese.
_TENTHS = re.compile(r"([一二三四五六七八九]|(?<!\d)\d)(?:割(?![れりる合引])|成(?![员為为功本立]))")
_HAN_DIGITS = {"〇": 0, "零": 0, "两": 2} | {
    sign: n for n, sign in enumerate("一二三四五六七八九", 1)
}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_GROUPS = {"万": 10**4, "亿": 10**8, "億": 10**8}
_FIRST_SPACELESS = "\u3000"
"""Scripts from here on have no spaces: their words stand anywhere in a text."""
_WORD_GAPS = re.compile(r"[\s\-–—/'’]+")
_EDGES = ".,;:!?()[]{}\"'“”‘’«»،؛؟۔।-–—…"
_ARABIC_MARKS = re.compile("[\u064b-\u0652]")
HALF = 0.5
"""What a word for a half adds to the number beside it."""
_MINUTES = {0.25: 15.0, HALF: 30.0, 0.75: 45.0}
"""Parts of an hour, as times of the day have them."""
_TEN, _DOZEN, _HUNDRED, _THOUSAND = 10, 12, 100, 1000
_LARGE = (10**3, 10**6, 10**9)
_LONGEST_RUN = 12
"""So many words make one number at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Words:
    """The number words of a language, ready to look up.

    Attributes:
        whole: Values by whole words; two words with a space between them count as one.
        stems: Values by the beginnings of words, the longest first.
        spaceless: Values by words of a script without spaces.
        multipliers: Values of words that multiply the number before them.
        contexts: What must be around a word that also means something else.
    """

    whole: Mapping[str, float]
    stems: Sequence[tuple[str, float]]
    spaceless: Mapping[str, float]
    multipliers: Mapping[str, float]
    contexts: Mapping[str, re.Pattern[str]]

    def value(self, token: str) -> float | None:
        """Returns the value of a word; None for no number."""
        known = self.whole.get(token)
        if known is not None:
            return known
        return next((value for stem, value in self.stems if token.startswith(stem)), None)


def spelled_numbers(text: str, language: str) -> Iterator[float]:
    """Yields the numbers that a text spells out: of its number words, and of those in a row.

    A word that ends in `*` in the profile stands for every word that begins so, unless a longer one
    does. Words that have no spaces around them in their script are found anywhere.

    Args:
        text: Any text.
        language: ISO 639-1 code of its language.
    """
    words = _words(language)
    if not words.whole and not words.stems and not words.spaceless:
        return
    text = normalized("NFC", text).lower()
    tokens = [token.strip(_EDGES) for token in _WORD_GAPS.split(text)]
    found = [*_duals(tokens, language)]
    if "一" in words.spaceless:
        found += map(_han_value, _HAN.findall(text))
    found += [value for word, value in words.spaceless.items() if word in text]
    if words.spaceless:
        found += [_TEN * _tenth(tenths) for tenths in _TENTHS.findall(text)]
    run: list[float] = []
    for value in (*_values(tokens, text, language), None):
        if value is None or len(run) == _LONGEST_RUN:
            found += _totals(run)
            run = []
        if value is not None:
            run.append(value)
    yield from found
    yield from (minutes for part, minutes in _MINUTES.items() if part in found)
    if HALF in found:
        yield from (with_half for value in found for with_half in and_a_half(value))


def and_a_half(value: float) -> Iterator[float]:
    """Yields what a number and a half may be: two hours and a half, two million and a half.

    Args:
        value: The number before the half.
    """
    yield from (value + unit * HALF for unit in (1, *_LARGE) if value >= unit)


def _values(tokens: Sequence[str], text: str, language: str) -> Iterator[float | None]:
    """Yields the value of each number word in turn, None between those that aren't adjacent."""
    words, profile = _words(language), language_profile(language)
    # Looked for once in a text, however often the word is in it.
    others = {
        word
        for word, context in words.contexts.items()
        if word in text and context.search(text) is None
    }
    place = 0
    while place < len(tokens):
        pair = " ".join(tokens[place : place + 2])
        if (value := words.whole.get(pair)) is not None and place + 1 < len(tokens):
            place += 1
        else:
            value = _value_of(tokens[place], words, language)
        if tokens[place] in others:
            value = None
        if value is not None or tokens[place] not in profile.number_joiners:
            yield value
        place += 1


def _value_of(token: str, words: _Words, language: str) -> float | None:
    """Returns the value of a word, or of what is left of it without what is written together."""
    profile = language_profile(language)
    token = _ARABIC_MARKS.sub("", token)
    candidates = [token]
    candidates += [
        token[len(one) :] for one in profile.prefixes if token.startswith(one) and token != one
    ]
    for suffix in profile.number_suffixes:
        if token.endswith(suffix) and token != suffix:
            candidates.append(token[: -len(suffix)])
    for one in candidates:
        if (value := words.value(one)) is not None:
            return value
    return next((words.multipliers[one] for one in candidates if one in words.multipliers), None)


def _totals(run: Sequence[float]) -> Iterator[float]:
    """Yields the numbers in a row of number words, and what they make together."""
    yield from run
    if len(run) > 1:
        yield _total(run, dozens=True)
        if run[0] == HALF:
            # Twelve lakh and a half, as Hindi says it, is no half a dozen.
            yield _total(run, dozens=False)
        # Twenty and eight, in a row, may be twenty-eight beside other numbers.
        yield from (
            a + b for a, b in pairwise(run) if max(a, b) % 10 == 0 and 0 < min(a, b) < max(a, b)
        )


def _total(run: Sequence[float], *, dozens: bool) -> float:
    """Returns the number that number words in a row make together.

    Args:
        run: Their values.
        dozens: Whether twelve multiplies the number before it.
    """
    total = part = 0.0
    for value in run:
        is_dozen = dozens and value == _DOZEN and part < _TEN
        if 0 < part < value and (value >= _HUNDRED or is_dozen):
            part *= value
        else:
            part += value
        if value >= _THOUSAND:
            total, part = total + part, 0.0
    return total + part


def _duals(tokens: Sequence[str], language: str) -> Iterator[float]:
    """Yields one and two where nouns by themselves say so, as in Arabic."""
    profile = language_profile(language)
    if profile.bare_singular:
        yield 1.0
    if not profile.duals:
        return
    for token in tokens:
        token = _ARABIC_MARKS.sub("", token)
        if (
            len(token) >= profile.shortest_dual
            and token.endswith(profile.duals)
            and not token.endswith(profile.no_duals or ("\0",))
        ):
            yield 2.0
            return


@cache
def _words(language: str) -> _Words:
    profile = language_profile(language)
    numbers = {normalized("NFC", word): value for word, value in profile.numbers.items()}
    stems = [(word[:-1], value) for word, value in numbers.items() if word.endswith("*")]
    whole = {word: value for word, value in numbers.items() if not word.endswith("*")}
    multipliers = {
        normalized("NFC", word).rstrip("*."): 10.0**power
        for word, power in profile.magnitudes.items()
        if len(word) > 1
    }
    return _Words(
        whole={word: value for word, value in whole.items() if word < _FIRST_SPACELESS},
        stems=sorted(stems, key=lambda stem: len(stem[0]), reverse=True),
        spaceless={word: value for word, value in whole.items() if word >= _FIRST_SPACELESS},
        multipliers=multipliers,
        contexts={
            normalized("NFC", word): re.compile(pattern)
            for word, pattern in profile.number_contexts.items()
        },
    )


def _tenth(numeral: str) -> float:
    """Returns the value of a digit of either kind."""
    return float(numeral) if numeral.isdecimal() else _han_value(numeral)


def _han_value(numeral: str) -> float:
    """Returns the value of a Han numeral; without units its signs are digits in a row."""
    if not set(numeral) & (_HAN_UNITS.keys() | _HAN_GROUPS.keys()):
        return float("".join(str(_HAN_DIGITS[sign]) for sign in numeral))
    total = part = digit = 0
    for sign in numeral:
        if sign in _HAN_DIGITS:
            digit = _HAN_DIGITS[sign]
        elif sign in _HAN_UNITS:
            part, digit = part + (digit or 1) * _HAN_UNITS[sign], 0
        else:
            total, part, digit = total + (part + digit or 1) * _HAN_GROUPS[sign], 0, 0
    return float(total + part + digit)
