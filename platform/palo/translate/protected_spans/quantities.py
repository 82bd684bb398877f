"""Numbers with units of measure, and conversions between units: 20 feet as 6 metres."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from palo.translate.language_profiles.profile import language_profile
from palo.translate.protected_spans.numbers import Amount, amounts, whole_word

_SYMBOLS = ("km/h", "mph", "km", "cm", "mm", "kg", "mg", "°C", "°F", "kB", "MB", "GB", "kWh", "%")
# Many languages say "85 miles in an hour" with the time elsewhere.
DISTANCES = {"mph": "mi", "km/h": "km"}
"""Units that may follow a number in place of a unit of speed."""
_GAP = "[\u00a0\u202f -]?"
# In metres and kilograms; speeds are compared as the distances of an hour.
_SIZES: Mapping[str, tuple[str, float]] = {
    "km": ("length", 1000),
    "mi": ("length", 1609.344),
    "m": ("length", 1),
    "cm": ("length", 0.01),
    "mm": ("length", 0.001),
    "ft": ("length", 0.3048),
    "in": ("length", 0.0254),
    "yd": ("length", 0.9144),
    "kg": ("mass", 1),
    "lb": ("mass", 0.45359237),
    "g": ("mass", 0.001),
}
# People round what they convert, by this share or this much of the new unit, but never by more.
_SHARE, _OF_UNIT, _MOST = 0.1, 0.6, 0.25
_DEGREES = ("°", "°C", "°F")
_MOST_BETWEEN = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """A number with its unit.

    Attributes:
        amount: The number.
        unit: Symbol of the unit; "" for none, or an unknown one.
    """

    amount: Amount
    unit: str

    def converts_to(self, other: "Quantity") -> bool:
        """Returns whether another quantity is the same in other units, but for rounding.

        Args:
            other: The other quantity.
        """
        pairs = [(a, b) for a in self.amount.values for b in other.amount.values]
        if self.unit in _DEGREES and other.unit in _DEGREES:
            return any(_same_heat(a, b) or _same_heat(b, a) for a, b in pairs)
        mine, its = (_SIZES.get(DISTANCES.get(one.unit, one.unit)) for one in (self, other))
        if mine is None or its is None or mine[0] != its[0] or self.unit == other.unit:
            return False
        return any(_is_rounded(a * mine[1], b * its[1], its[1]) for a, b in pairs)


def _is_rounded(size: float, other: float, unit: float) -> bool:
    return abs(size - other) <= min(max(_SHARE * size, _OF_UNIT * unit), _MOST * size)


def _same_heat(fahrenheit: float, celsius: float) -> bool:
    """Returns whether degrees, or differences of degrees, are the same."""
    return min(abs((fahrenheit - 32) / 1.8 - celsius), abs(fahrenheit / 1.8 - celsius)) <= 1


def quantities(text: str, language: str) -> list[Quantity]:
    """Returns the numbers of a text with their units, "2 to 4 km" as 2 km and 4 km.

    Args:
        text: Any text.
        language: ISO 639-1 code of its language.
    """
    found = amounts(text, language)
    units = [_symbol(text, amount, language) for amount in found]
    for number in range(len(found) - 2, -1, -1):
        if not units[number] and found[number + 1].start - found[number].end <= _MOST_BETWEEN:
            units[number] = units[number + 1]
    return [Quantity(amount=a, unit=unit) for a, unit in zip(found, units, strict=True)]


def is_converted(quantity: Quantity, others: list[Quantity]) -> bool:
    """Returns whether one of some quantities is this one in other units.

    A quantity without a unit may have any unit of the others.

    Args:
        quantity: A quantity of one text.
        others: All quantities of the other text.
    """
    units = {other.unit for other in others}
    return any(
        mine.converts_to(its)
        for mine in _with_units(quantity, units)
        for other in others
        for its in _with_units(other, units)
    )


def _with_units(quantity: Quantity, units: set[str]) -> Iterator[Quantity]:
    for unit in {quantity.unit} if quantity.unit else units:
        yield Quantity(amount=quantity.amount, unit=unit)


def _symbol(text: str, amount: Amount, language: str) -> str:
    unit = unit_behind(text, amount.end, language)
    return "" if unit is None else unit[0]


def unit_behind(text: str, place: int, language: str) -> tuple[str, int] | None:
    """Returns the unit that follows a number.

    Args:
        text: Any text.
        place: Number of the first character after the number.
        language: ISO 639-1 code of the text's language.

    Returns:
        The unit's symbol and the number of the character after it; None if no known unit follows.
    """
    pattern, symbols = _units(language)
    match = pattern.match(text, place)
    return None if match is None else (symbols[match[1].lower()], match.end())


@cache
def _units(language: str) -> tuple[re.Pattern[str], dict[str, str]]:
    symbols = {symbol.lower(): symbol for symbol in _SYMBOLS}
    for symbol, forms in language_profile(language).units.items():
        symbols |= {form.lower(): symbol for form in forms}
    longest_first = sorted(symbols, key=len, reverse=True)
    return re.compile(f"{_GAP}({'|'.join(map(whole_word, longest_first))})", re.IGNORECASE), symbols
