"""Quantities that a translation gives in other units: 20 feet as 6 metres."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from palo.translate.protected_spans.numbers import Amount, amounts
from palo.translate.protected_spans.units_of_measure import DISTANCES, unit_behind

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
_GAP = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """A number with its unit.

    Attributes:
        amount: The number.
        unit: Symbol of the unit; "" where the text has none that is known.
    """

    amount: Amount
    unit: str

    def converts_to(self, other: "Quantity") -> bool:
        """Tells whether another quantity is the same in other units, but for rounding."""
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
    """Tells whether degrees are the same, or differences of degrees are."""
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
        if not units[number] and found[number + 1].start - found[number].end <= _GAP:
            units[number] = units[number + 1]
    return [Quantity(amount=a, unit=unit) for a, unit in zip(found, units, strict=True)]


def is_converted(quantity: Quantity, others: list[Quantity]) -> bool:
    """Tells whether one of some quantities is this one in other units.

    What lacks a unit may have any that the others have.
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
