"""Numbers in texts, whatever their digits, separators and words of magnitude.

A number may be read in several ways: `1.000` is one or a thousand, `3 p.m.` is 3 or 15 o'clock. Two
numbers are the same if some way of reading one is a way of reading the other.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from palo.translate.language_profiles.profile import language_profile
from palo.translate.protected_spans.numerals import roman_numerals, spelled_numbers, whole_word

_DIGITS = re.compile(
    r"(?:(?<![A-Za-z\d])|(?<=\dh))\d+(?:[.,٫٬]\d+)*(?:[\u00a0\u202f ]\d{3}(?!\d))*"
)
_DIGIT = re.compile(r"\d")
_SEPARATORS = re.compile(r"[.,٫٬\u00a0\u202f ]")
_YEARS = re.compile(r"(\d{4})[-–/]\d\d(?!\d)")
_DECADE = re.compile(r"['’]?s\b")
_GAP = "[\u00a0\u202f -]?"
_EARLY_HOURS = 12
_DECIMALS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """A number that is written in digits.

    Attributes:
        start: Number of its first character.
        end: Number of the character after it, words of magnitude included.
        values: Every way of reading it.
        parts: Ways of reading what it consists of, if it is several numbers after all.
    """

    start: int
    end: int
    values: frozenset[float]
    parts: tuple[frozenset[float], ...]

    def is_among(self, known: frozenset[float], more: frozenset[float] = frozenset()) -> bool:
        """Tells whether it is one of some known values, or consists of them.

        Args:
            known: The values.
            more: Values that count as well, but not as a part of a number.
        """
        if not (self.values.isdisjoint(known) and self.values.isdisjoint(more)):
            return True
        return all(not part.isdisjoint(known) for part in self.parts)


def amounts(text: str, language: str) -> list[Amount]:
    """Returns the numbers that a text writes in digits.

    Args:
        text: Any text.
        language: ISO 639-1 code of its language.
    """
    found: list[Amount] = []
    if _DIGIT.search(text) is None:
        return found
    scales = _scales(text, language)
    for match in _DIGITS.finditer(text):
        one = _amount(text, match, language, scales)
        if found and (joined := _joined(found[-1], one, text)) is not None:
            found[-1] = joined
        else:
            found.append(one)
    return found


def values_in(text: str, language: str) -> frozenset[float]:
    """Returns all numbers of a text, in digits and in words, in every way of reading them."""
    found = set(spelled_numbers(text, language)) | set(roman_numerals(text))
    for amount in amounts(text, language):
        found |= amount.values
        for part in amount.parts:
            found |= part
    return frozenset(found)


def _scales(text: str, language: str) -> frozenset[float]:
    """Returns what the words of magnitude in a text multiply by, wherever they stand."""
    pattern = _magnitude_words(language)
    if pattern is None:
        return frozenset()
    magnitudes = language_profile(language).magnitudes
    words = {match[1].lower() for match in pattern.finditer(text) if len(match[1]) > 1}
    return frozenset(10.0 ** _power(word, magnitudes) for word in words)


def _amount(text: str, match: re.Match[str], language: str, scales: frozenset[float]) -> Amount:
    values = set(_readings(match[0]))
    pieces = tuple(frozenset(_readings(piece)) for piece in _SEPARATORS.split(match[0]))
    end = match.end()
    if _DECADE.match(text, end):
        values |= {value % 100 for value in values if value >= 100 and value % 100}
    if (years := _YEARS.match(text, max(0, match.start() - 5))) and years.end() >= end:
        values |= {int(years[1]) // 100 * 100.0 + value for value in values}
    facts = language_profile(language)
    if (pattern := _magnitude_words(language)) and (word := pattern.match(text, end)):
        end = word.end()
        scale = 10.0 ** _power(word[1].lower(), facts.magnitudes)
        scaled = {round(value * scale, _DECIMALS) for value in values}
        # One letter may be a magnitude, or a unit such as the metre.
        values = scaled | (values if len(word[1]) == 1 and word[1].isascii() else set())
        pieces = (frozenset(values),)
    else:
        # One word may hold for several numbers: 2.9, 2.8 and 2.5 million.
        values |= {round(value * scale, _DECIMALS) for value in values for scale in scales}
    after = text[end : end + 8].lstrip().lower()
    if after.startswith(facts.afternoon):
        values |= {value + _EARLY_HOURS for value in values if value <= _EARLY_HOURS}
    if len(pieces) == 1:
        pieces = (frozenset(values),)
    return Amount(start=match.start(), end=end, values=frozenset(values), parts=pieces)


def _joined(first: Amount, second: Amount, text: str) -> Amount | None:
    """Returns what two numbers beside one another add up to, as one hundred million and a half."""
    if text[first.end : second.start].strip() or first.parts != (first.values,):
        return None
    if text[first.end - 1].isdecimal():
        return None
    sums = {round(a + b, _DECIMALS) for a in first.values for b in second.values if a > b}
    return Amount(
        start=first.start,
        end=second.end,
        values=frozenset(sums),
        parts=(first.values, second.values),
    )


def _readings(digits: str) -> Iterator[float]:
    """Yields the values that digits with separators may have."""
    plain = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in digits)
    groups = _SEPARATORS.split(plain)
    if len(groups) == 1:
        yield float(plain)
        return
    if all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3:
        yield float("".join(groups))
    elif all(len(group) in (2, 3) for group in groups[1:]) and len(groups) > 2:
        yield float("".join(groups))  # as India groups: 1,00,000
    if not plain[-len(groups[-1]) - 1].isspace():
        yield float("".join(groups[:-1]) + "." + groups[-1])


@cache
def _magnitude_words(language: str) -> re.Pattern[str] | None:
    words = sorted(language_profile(language).magnitudes, key=len, reverse=True)
    if not words:
        return None
    # Scripts without spaces go on right after the word.
    return re.compile(f"{_GAP}({'|'.join(map(whole_word, words))})", re.IGNORECASE)


def _power(word: str, magnitudes: Mapping[str, int]) -> int:
    """Returns the power of ten that a word stands for, itself or the stem that it begins with."""
    if word in magnitudes:
        return magnitudes[word]
    return next(n for stem, n in magnitudes.items() if word.startswith(stem.rstrip("*")))
