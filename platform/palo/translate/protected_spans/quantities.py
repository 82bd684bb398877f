"""Numbers with units of measure, and conversions between units: 20 feet as 6 metres."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from palo.translate.language_profiles.profile import language_profile
from palo.translate.protected_spans.number_words import spelled_numbers
from palo.translate.protected_spans.numbers import Amount, amounts, whole_word

_SYMBOLS = (
    "km/h", "m/s", "mph", "km", "cm", "mm", "m", "mi", "ft", "yd", "kg", "mg", "g", "lb", "oz",
    "ml", "l", "gal", "°C", "°F", "kB", "MB", "GB", "kW", "kWh", "Hz", "%",
)  # fmt: skip
# Other ways of writing a symbol, in any language.
_VARIANTS: Mapping[str, str] = {
    "kmh": "km/h", "kph": "km/h", "kmph": "km/h", "lbs": "lb", "kgs": "kg", "kms": "km",
    "℃": "°C", "℉": "°F", "㎏": "kg", "㎞": "km", "㎝": "cm", "㎜": "mm", "％": "%",
    "US$": "$", "USD": "$", "EUR": "€", "GBP": "£",
}  # fmt: skip
_CURRENCIES = ("$", "€", "£", "¥", "₹")
_CURRENCY_BEFORE = re.compile(r"(?:US|[$€£¥₹])?([$€£¥₹])[ \u00a0\u202f]?$")
_CURRENCY_BEHIND = re.compile(r"[ \u00a0\u202f]?([$€£¥₹])")
# A unit that is written as its parts, wherever they stand: 85 miles in an hour.
_PARTS: Mapping[str, tuple[str, str]] = {
    "km/h": ("km", "h"),
    "mph": ("mi", "h"),
    "m/s": ("m", "s"),
}
# Units that may stand for another one: degrees of a scale, pounds of money and of weight.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "°C": ("°",),
    "°F": ("°",),
    "°": ("°C", "°F"),
    "lb": ("£",),
    "£": ("lb",),
    "m": ("million",),
    "km": ("kilo",),
    "kg": ("kilo",),
}
_DISTANCES = {unit: parts[0] for unit, parts in _PARTS.items() if unit != "m/s"}
_GAP = "[\u00a0\u202f -]?"
# Part of a name: the broadcast 60 Minutes.
_TITLE = re.compile(r"\W?[A-Z][a-z]{3,}")
_NEW_WORD = "(?<![A-Za-z])"
_AFTER_DIGIT = r"(?:(?<=\d)|(?<=\d[\u00a0\u202f ]))"
# In metres, kilograms and litres; speeds are compared as the distances of an hour.
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
    "oz": ("mass", 0.028349523),
    "l": ("volume", 1),
    "ml": ("volume", 0.001),
    "gal": ("volume", 3.785411784),
    "m/s": ("length", 3600),
}
# People round what they convert, by this share or this much of the new unit, but never by more.
_SHARE, _OF_UNIT, _MOST = 0.1, 0.6, 0.25
# Feet and metres, by the smaller unit that may follow them, and how many of it they have.
_SMALL_UNITS: Mapping[str, tuple[str, float]] = {"m": ("cm", 100), "ft": ("in", 12)}
_JOINING = " \u00a0\u202f-,"
_PER_HOUR = re.compile("[時时]速(?:约|約|およそ|大约)?$")
_SPEEDS = {"km": "km/h", "kilo": "km/h", "kg": "km/h", "mi": "mph"}
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
        mine, its = (_SIZES.get(_DISTANCES.get(one.unit, one.unit)) for one in (self, other))
        if mine is None or its is None or mine[0] != its[0] or self.unit == other.unit:
            return False
        # 120 km for 120 km/h is no conversion: something of the unit is lost.
        speed_lost = (
            _DISTANCES.get(self.unit) == other.unit or _DISTANCES.get(other.unit) == self.unit
        )
        return not speed_lost and any(
            _is_rounded(a * mine[1], b * its[1], its[1]) for a, b in pairs
        )


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
    found = _with_small_units(text, amounts(text, language), language)
    units = [_symbol(text, amount, language) for amount in found]
    for number in range(len(found) - 2, -1, -1):
        if not units[number] and found[number + 1].start - found[number].end <= _MOST_BETWEEN:
            units[number] = units[number + 1]
    return [Quantity(amount=a, unit=unit) for a, unit in zip(found, units, strict=True)]


def _with_small_units(text: str, found: list[Amount], language: str) -> list[Amount]:
    """Joins what is measured in two units, one after another: 1 m 83 cm, 6-foot-2."""
    joined: list[Amount] = []
    for one in found:
        before = joined[-1] if joined else None
        large = unit_behind(text, before.end, language) if before is not None else None
        if before is None or large is None or text[large[1] : one.start].strip(_JOINING):
            joined.append(one)
            continue
        small, per = _SMALL_UNITS.get(large[0], ("", 0))
        unit = unit_behind(text, one.end, language)
        sizes = {value for value in one.values if value < per}
        if not sizes or (unit is not None and unit[0] != small):
            joined.append(one)
            continue
        joined[-1] = Amount(
            start=before.start,
            end=before.end,
            digits_end=before.digits_end,
            values=before.values | {a + b / per for a in before.values for b in sizes},
            parts=(before.values, one.values),
        )
    return joined


def is_converted(
    quantity: Quantity, others: list[Quantity], own_units: frozenset[str] = frozenset()
) -> bool:
    """Returns whether one of some quantities is this one in other units.

    A quantity without a unit may have any unit of the others, or of its own text.

    Args:
        quantity: A quantity of one text.
        others: All quantities of the other text.
        own_units: The units of its own text.
    """
    units = {other.unit for other in others} | own_units
    return any(
        mine.converts_to(its)
        for mine in _with_units(quantity, units)
        for other in others
        for its in _with_units(other, units)
    )


def is_converted_in_words(quantity: Quantity, text: str, language: str) -> bool:
    """Returns whether a text spells out a quantity in other units: 20 feet as six metres.

    Args:
        quantity: A quantity of the source.
        text: A translation.
        language: ISO 639-1 code of the translation.
    """
    size = _SIZES.get(quantity.unit)
    if size is None:
        return False
    words = frozenset(spelled_numbers(text, language))
    amount = dataclasses.replace(quantity.amount, values=words, parts=(words,))
    return any(
        quantity.converts_to(Quantity(amount=amount, unit=unit))
        for unit, (kind, _) in _SIZES.items()
        if kind == size[0] and (forms := _anywhere(unit, language)) and forms.search(text)
    )


def _with_units(quantity: Quantity, units: set[str]) -> Iterator[Quantity]:
    for unit in {quantity.unit} if quantity.unit else units:
        yield Quantity(amount=quantity.amount, unit=unit)


def _symbol(text: str, amount: Amount, language: str) -> str:
    """Returns the unit, or the currency, of a number; "" for none, or an unknown one."""
    before = _CURRENCY_BEFORE.search(text[max(0, amount.start - 4) : amount.start])
    if before is not None:
        return before[1]
    behind = _CURRENCY_BEHIND.match(text, amount.end)
    if behind is not None:
        return behind[1]
    unit = unit_behind(text, amount.end, language)
    if unit is not None and _PER_HOUR.search(text[max(0, amount.start - 6) : amount.start]):
        return _SPEEDS.get(unit[0], unit[0])
    if unit is None and amount.digits_end < amount.end:
        # What may be millions may be metres, too, with a space before it.
        unit = unit_behind(text, amount.digits_end, language)
        if unit is not None and text[amount.digits_end].isalpha():
            return ""
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
    pattern, units = _units(language)
    match = pattern.match(text, place)
    if match is None or _TITLE.fullmatch(match[0]):
        return None
    return units[match.lastindex - 1 if match.lastindex else 0], match.end()


def unit_symbols() -> tuple[str, ...]:
    """Returns the symbols of units in Latin letters, and other ways of writing them."""
    return (*_SYMBOLS, *_VARIANTS, *(part for unit in _SYMBOLS for part in unit.split("/")))


def is_of_unit(text: str, unit: str, language: str) -> bool:
    """Returns whether a text names a unit, as far as the language's profile lists its forms.

    Args:
        text: A translation.
        unit: Symbol of the unit.
        language: ISO 639-1 code of the text's language.

    Returns:
        True as well for a unit that the profile doesn't list.
    """
    if not _is_listed(unit, language):
        return True
    for one in (unit, *_ALSO.get(unit, ())):
        pattern = _anywhere(one, language)
        if pattern is not None and pattern.search(text):
            return True
    parts = _PARTS.get(unit)
    return parts is not None and all(is_of_unit(text, part, language) for part in parts)


def stand_for(seen: set[str], unit: str, text: str, language: str) -> bool:
    """Returns whether units in a translation are the same as one of its source.

    Args:
        seen: Symbols of the units of the number in the translation.
        unit: Symbol of its unit in the source.
        text: The translation.
        language: ISO 639-1 code of the translation.
    """
    if not seen.isdisjoint((unit, *_ALSO.get(unit, ()))):
        return True
    if unit not in _PARTS:
        return False
    distance, time = _PARTS[unit]
    has_distance = not seen.isdisjoint((distance, *_ALSO.get(distance, ())))
    return has_distance and is_of_unit(text, time, language)


@cache
def _is_listed(unit: str, language: str) -> bool:
    units = language_profile(language).units
    return unit in units or (unit in _PARTS and all(part in units for part in _PARTS[unit]))


@cache
def _anywhere(unit: str, language: str) -> re.Pattern[str] | None:
    """Returns a pattern for a unit wherever it stands in a text; None for one without any form."""
    forms = [form for form, symbol in _forms(language) if symbol == unit]
    if unit == "million":
        forms = [
            word for word, power in language_profile(language).magnitudes.items() if power >= 4
        ]
    if not forms:
        return None
    forms.sort(key=len, reverse=True)
    words = "|".join(
        rf"{_AFTER_DIGIT if _is_letter(form) else _NEW_WORD}{_form_pattern(form)}" for form in forms
    )
    return re.compile(words, re.IGNORECASE)


def _is_letter(form: str) -> bool:
    """Returns whether a way of writing a unit is one letter, which is a word as well."""
    return len(form) == 1 and form.isalpha() and form < "\u3000"


def _forms(language: str) -> Iterator[tuple[str, str]]:
    """Yields all ways of writing units in a language, each with the unit's symbol."""
    yield from ((symbol, symbol) for symbol in (*_SYMBOLS, *_CURRENCIES))
    yield from _VARIANTS.items()
    for symbol, forms in language_profile(language).units.items():
        yield from ((form, symbol) for form in forms)


def _form_pattern(form: str) -> str:
    """Returns a pattern for a way of writing a unit; single Latin letters must be small."""
    stem = form.rstrip("*")
    if not stem[-1].isascii():
        return whole_word(form)
    # Scripts without spaces go on right after a Latin symbol.
    ending = "[A-Za-z]*" if stem != form else "(?![A-Za-z])" if stem[-1].isalpha() else ""
    pattern = re.escape(stem) + ending
    return f"(?-i:{pattern})" if len(form) == 1 and form.isalpha() else pattern


@cache
def _units(language: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Returns a pattern for any unit, a group for each way of writing one, and their symbols."""
    forms = dict(sorted(_forms(language), key=lambda pair: len(pair[0]), reverse=True))
    groups = "|".join(f"({_form_pattern(form)})" for form in forms)
    return re.compile(f"{_GAP}(?:{groups})", re.IGNORECASE), tuple(forms.values())
