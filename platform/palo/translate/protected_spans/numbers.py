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
from palo.translate.protected_spans.number_words import HALF, and_a_half, spelled_numbers

_DIGITS = re.compile(
    r"(?:(?<![A-Za-z\d])|(?<=\dh))\d+(?:[.,٫٬]\d+)*(?:[\u00a0\u202f ]\d{3}(?!\d))*"
)
_DIGIT = re.compile(r"\d")
_SEPARATORS = re.compile(r"[.,٫٬\u00a0\u202f ]")
_ARABIC_POINT = "٫"
_YEARS = re.compile(r"(\d{4})[-–/]\d\d(?!\d)")
_DECADE = re.compile(r"['’]?s\b")
_GAP = "[\u00a0\u202f -]?"
_EARLY_HOURS = 12
_DECIMALS = 6
_ROMAN = re.compile(r"(?<![A-Za-z])([IVX]{1,6})(?:e|er|ème)?(?![A-Za-z])")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
# Vowel signs and other marks are no letters for regular expressions.
_GOES_ON = (
    r"(?![^\W\d_]|[\u0300-\u036f\u064b-\u0652\u0900-\u0903\u093a-\u094f\u0981-\u0983\u09bc-\u09cd])"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """A number that is written in digits.

    Attributes:
        start: Number of its first character.
        end: Number of the character after it, words of magnitude included.
        values: Every way of reading it.
        parts: Ways of reading what it consists of, if it is several numbers after all.
        digits_end: Number of the character behind its digits.
    """

    start: int
    end: int
    digits_end: int
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
    """Returns all numbers of a text, in digits and in words, in every way of reading them.

    Args:
        text: Any text.
        language: ISO 639-1 code of its language.
    """
    found = set(spelled_numbers(text, language)) | set(roman_numerals(text))
    has_half = HALF in found
    for amount in amounts(text, language):
        found |= amount.values
        if has_half:
            found |= {with_half for value in amount.values for with_half in and_a_half(value)}
        for part in amount.parts:
            found |= part
    return frozenset(found)


def _scales(text: str, language: str) -> frozenset[float]:
    """Returns the factors of all words of magnitude in a text."""
    pattern = _magnitude_words(language)
    if pattern is None:
        return frozenset()
    magnitudes = language_profile(language).magnitudes
    words = {match[1].lower() for match in pattern.finditer(text) if len(match[1]) > 1}
    return frozenset(10.0 ** _power(word, magnitudes) for word in words)


def _amount(text: str, match: re.Match[str], language: str, scales: frozenset[float]) -> Amount:
    profile = language_profile(language)
    values = set(_readings(match[0], profile.decimal))
    groups = _SEPARATORS.split(match[0])
    pieces = tuple(frozenset(_readings(piece, "")) for piece in groups)
    if profile.decimal and profile.decimal not in match[0] and _are_thousands(groups):
        pieces = (frozenset(values),)
    end = match.end()
    if _DECADE.match(text, end):
        # The thirties of the twentieth century.
        decades = {value for value in values if value >= 100}
        values |= {value % 100 for value in decades if value % 100}
        values |= {value // 100 + 1 for value in decades}
    if (years := _YEARS.match(text, max(0, match.start() - 5))) and years.end() >= end:
        values |= {int(years[1]) // 100 * 100.0 + value for value in values}
    if (pattern := _magnitude_words(language)) and (word := pattern.match(text, end)):
        end = word.end()
        scale = 10.0 ** _power(word[1].lower(), profile.magnitudes)
        scaled = {round(value * scale, _DECIMALS) for value in values}
        # One letter may be a magnitude, or a unit such as the metre.
        values = scaled | (values if len(word[1]) == 1 and word[1].isascii() else set())
        pieces = (frozenset(values),)
    else:
        # One word may hold for several numbers: 2.9, 2.8 and 2.5 million.
        values |= {round(value * scale, _DECIMALS) for value in values for scale in scales}
    after = text[end : end + 8].lstrip().lower()
    if after.startswith(profile.afternoon):
        values |= {value + _EARLY_HOURS for value in values if value <= _EARLY_HOURS}
    if len(pieces) == 1:
        pieces = (frozenset(values),)
    return Amount(
        start=match.start(),
        end=end,
        digits_end=match.end(),
        values=frozenset(values),
        parts=pieces,
    )


def _joined(first: Amount, second: Amount, text: str) -> Amount | None:
    """Returns the sum of two adjacent numbers, as in one hundred million and a half."""
    if text[first.end : second.start].strip() or first.parts != (first.values,):
        return None
    if text[first.end - 1].isdecimal():
        return None
    sums = {round(a + b, _DECIMALS) for a in first.values for b in second.values if a > b}
    return Amount(
        start=first.start,
        end=second.end,
        digits_end=second.digits_end,
        values=frozenset(sums),
        parts=(first.values, second.values),
    )


def _readings(digits: str, decimal: str) -> Iterator[float]:
    """Yields the possible values of digits with separators.

    Args:
        digits: The digits.
        decimal: The language's decimal mark; "" if any separator may be one.
    """
    plain = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in digits)
    if _ARABIC_POINT in plain:
        # Whatever the language writes otherwise, this one is a decimal mark.
        whole, _, decimals = plain.partition(_ARABIC_POINT)
        if decimals.isdecimal():
            yield float("".join(_SEPARATORS.split(whole)) + "." + decimals)
        return
    groups = _SEPARATORS.split(plain)
    if len(groups) == 1:
        yield float(plain)
        return
    last = plain[-len(groups[-1]) - 1]
    if decimal and plain.count(decimal) == 1 and last == decimal:
        if len(groups) == 2 or _are_thousands(groups[:-1]):
            yield float("".join(groups[:-1]) + "." + groups[-1])
        return
    if _are_thousands(groups) and (not decimal or decimal not in plain):
        yield float("".join(groups))
    if not decimal and not last.isspace():
        yield float("".join(groups[:-1]) + "." + groups[-1])


def _are_thousands(groups: list[str]) -> bool:
    """Returns whether groups of digits are thousands, or lakhs as India groups them: 1,00,000."""
    if all(len(group) == 3 for group in groups[1:]):
        return len(groups[0]) <= 3
    return len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[1:-1])


@cache
def _magnitude_words(language: str) -> re.Pattern[str] | None:
    words = sorted(language_profile(language).magnitudes, key=len, reverse=True)
    if not words:
        return None
    # Scripts without spaces go on right after the word.
    return re.compile(f"{_GAP}({'|'.join(map(whole_word, words))})", re.IGNORECASE)


def _power(word: str, magnitudes: Mapping[str, int]) -> int:
    """Returns the power of ten of a word of magnitude, or of its stem."""
    if word in magnitudes:
        return magnitudes[word]
    return next(n for stem, n in magnitudes.items() if word.startswith(stem.rstrip("*")))


def whole_word(word: str) -> str:
    """Returns a pattern for a word that doesn't go on; scripts without spaces always go on.

    A word that ends in `*` may go on.

    Args:
        word: The word, or a stem that ends in `*`.
    """
    if word.endswith("*"):
        return re.escape(word[:-1]) + r"[^\W\d_]*"
    return re.escape(word) + (_GOES_ON if word[-1] < "\u3000" else "")


def roman_numerals(text: str) -> Iterator[float]:
    """Yields the values of Roman numerals up to some tens, as centuries have them.

    Args:
        text: Any text.
    """
    for match in _ROMAN.finditer(text):
        values = [_ROMAN_VALUES[sign] for sign in match[1]]
        following = [*values[1:], 0]
        yield float(
            sum(
                -one if one < next_one else one
                for one, next_one in zip(values, following, strict=True)
            )
        )
