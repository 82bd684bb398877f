"""Numbers that are written in words, in Han numerals, or in Roman ones."""

import re
from collections.abc import Iterator

from palo.translate.language_profiles.profile import language_profile

_ROMAN = re.compile(r"(?<![A-Za-z])([IVX]{1,6})(?:e|er|ème)?(?![A-Za-z])")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
_HAN = re.compile("[〇零一二两三四五六七八九十百千万亿億]+")
_HAN_DIGITS = {"〇": 0, "零": 0, "两": 2} | {
    sign: n for n, sign in enumerate("一二三四五六七八九", 1)
}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_GROUPS = {"万": 10**4, "亿": 10**8, "億": 10**8}
_TENS = range(10, 100, 10)
_GAPS = re.compile(r"[\s\-–—/'’]+")
_EDGES = ".,;:!?()[]{}\"'“”‘’«»،؛؟۔।-–—…"

# Vowel signs and other marks are no letters for regular expressions.
_GOES_ON = (
    r"(?![^\W\d_]|[\u0300-\u036f\u064b-\u0652\u0900-\u0903\u093a-\u094f\u0981-\u0983\u09bc-\u09cd])"
)


def whole_word(word: str) -> str:
    """Returns a pattern for a word that doesn't go on; scripts without spaces always go on.

    A word that ends in `*` may go on.
    """
    if word.endswith("*"):
        return re.escape(word[:-1]) + r"[^\W\d_]*"
    return re.escape(word) + (_GOES_ON if word[-1] < "\u3000" else "")


def roman_numerals(text: str) -> Iterator[float]:
    """Yields the values of Roman numerals up to some tens, as centuries have them."""
    for match in _ROMAN.finditer(text):
        values = [_ROMAN_VALUES[sign] for sign in match[1]]
        following = [*values[1:], 0]
        yield float(
            sum(
                -one if one < next_one else one
                for one, next_one in zip(values, following, strict=True)
            )
        )


def spelled_numbers(text: str, language: str) -> Iterator[float]:
    """Yields the numbers that a text spells out, as far as the language's facts know the words.

    A word that ends in `*` stands for every word that begins with it. Words that have no spaces
    around them in their script are found anywhere.
    """
    words = language_profile(language).numbers
    if not words:
        return
    if "一" in words:
        yield from map(_han_value, _HAN.findall(text))
    tokens = {token.strip(_EDGES).lower() for token in _GAPS.split(text)}
    for prefix in language_profile(language).prefixes:
        tokens |= {token[len(prefix) :] for token in tokens if token.startswith(prefix)}
    found = {value for word, value in words.items() if _stands(word, tokens, text)}
    yield from found
    # Twenty and eight may be twenty-eight.
    for tens in found:
        if tens in _TENS:
            yield from (tens + ones for ones in found if 0 < ones < 10)


def _stands(word: str, tokens: set[str], text: str) -> bool:
    if word.endswith("*"):
        return any(token.startswith(word[:-1]) for token in tokens)
    return word in tokens or (word[0] >= "\u3000" and word in text)


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
