"""Verifies that a translation keeps every protected span."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from palo.text.normal_form import normalized
from palo.translate.protected_spans.number_words import spelled_numbers
from palo.translate.protected_spans.numbers import values_in
from palo.translate.protected_spans.protect import (
    VISIBLE_KINDS,
    stray_placeholders,
    without_placeholders,
)
from palo.translate.protected_spans.quantities import (
    Quantity,
    is_converted,
    is_converted_in_words,
    is_of_unit,
    quantities,
    stand_for,
)
from palo.translate.request import MOST_SPANS, ProtectedSpan, ProtectedText

_NOTHING = frozenset((0.0,))
_ALL = 100.0
"""So many percent may become words: all, surely."""
_FRACTION = re.compile(r"(?<![\d/])([1-9])/([2-9])(?![\d/])")
_MINUTES = re.compile(r"[:.h]\d\d(?!\d)")
_NOON = 12
_FRACTIONS = {
    20.0: (frozenset((5.0,)),),
    25.0: (frozenset((0.25,)), frozenset((4.0,))),
    50.0: (frozenset((0.5,)),),
    75.0: (frozenset((0.75,)), frozenset((3.0, 4.0))),
}
"""Percents that people say as a fraction, by the numbers that its words stand for."""
_MOST_PAIRS = 10_000
"""With more pairs of numbers to compare, none of them counts as the other in other units."""
_SMALL = frozenset((0.0, 1.0, 2.0))
"""Numbers that languages add by themselves: articles, duals, counters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanFault:
    """A difference between the protected spans of a source and its translation.

    Attributes:
        span: The span; None for text without a span in the source.
        reason: What is wrong, in a plain English sentence.
    """

    span: ProtectedSpan | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguagePair:
    """The languages of a translation, and whether it may convert units.

    Attributes:
        source: ISO 639-1 code of the source.
        target: ISO 639-1 code of the translation.
        conversions: Whether a length, weight or speed may be given in other units, if it is right.
    """

    source: str = "en"
    target: str
    conversions: bool = True


def verify_spans(protected: ProtectedText, text: str, pair: LanguagePair) -> Iterator[SpanFault]:
    """Yields lost, doubled and changed protected spans, and added numbers.

    Args:
        protected: The source.
        text: Its translation, placeholders replaced.
        pair: The languages.
    """
    if len(protected.spans) > MOST_SPANS:
        reason = f"The source holds {len(protected.spans)} parts that must stay, too many to prove."
        yield SpanFault(span=None, reason=reason)
        return
    text = normalized("NFC", text)
    own = {span.text for span in protected.spans if span.kind == "mark"}
    for mark in stray_placeholders(text):
        if mark not in own:
            yield SpanFault(span=None, reason=f"The mark {mark} stands for nothing.")
    yield from _opaque_faults(protected, text)
    if any(span.kind in VISIBLE_KINDS for span in protected.spans) or any(map(str.isdecimal, text)):
        yield from _visible_faults(protected, text, pair)


def _opaque_faults(protected: ProtectedText, text: str) -> Iterator[SpanFault]:
    opaque = [span for span in protected.spans if span.kind not in VISIBLE_KINDS]
    expected = Counter(span.target for span in opaque)
    for wanted, span in {span.target: span for span in opaque}.items():
        least, count = expected[wanted], text.count(wanted)
        if count < least:
            times = "" if least == 1 else f" {least} times, but it does so {count} times"
            yield SpanFault(span=span, reason=f'"{wanted}" must stand in the translation{times}.')
        elif span.kind not in ("term", "quotation") and count > least + _within(expected, wanted):
            reason = f'"{wanted}" stands in the translation {count} times, not {least}.'
            yield SpanFault(span=span, reason=reason)


def _within(expected: Mapping[str, int], wanted: str) -> int:
    """Returns how often a text also occurs within other spans."""
    return sum(n * other.count(wanted) for other, n in expected.items() if other != wanted)


def _visible_faults(protected: ProtectedText, text: str, pair: LanguagePair) -> Iterator[SpanFault]:
    for span in protected.spans:
        if span.kind not in VISIBLE_KINDS:
            text = text.replace(span.target, " ")
    visible = [span for span in protected.spans if span.kind in VISIBLE_KINDS]
    source = without_placeholders(protected.text)
    if not visible and quantities(source, pair.source):
        return  # numbers were not to be protected
    numbers = _Numbers(source, text, pair)
    yield from numbers.lost(visible)
    yield from numbers.added()


class _Numbers:
    """The numbers of a source and of its translation, with their units.

    Args:
        source: The source, without placeholders.
        text: The translation, without what must stay as it is.
        pair: The languages.
    """

    def __init__(self, source: str, text: str, pair: LanguagePair) -> None:
        self._before = quantities(source, pair.source)
        self._after = quantities(text, pair.target)
        self._source = source
        self._text = text
        self._pair = pair
        self._known = values_in(source, pair.source)
        self._present = values_in(text, pair.target)
        most = max(len(self._before), len(self._after))
        self._converts = pair.conversions and len(self._before) * most <= _MOST_PAIRS
        self._twice = _given_twice(self._before) if self._converts else set[str]()

    def lost(self, visible: Iterable[ProtectedSpan]) -> Iterator[SpanFault]:
        """Yields what the translation lacks, and units that it has changed.

        Args:
            visible: The spans of the source that are numbers.
        """
        left = iter(visible)
        for quantity in self._before:
            seen = self._source[quantity.amount.start : quantity.amount.end]
            span = next((one for one in left if seen in one.text), None)
            shown = span.text if span else seen
            if quantity.amount.is_among(self._present, _NOTHING):
                if change := self._changed_unit(quantity):
                    yield SpanFault(span=span, reason=f"{shown} has {change}.")
            elif not self._is_said_otherwise(quantity):
                yield SpanFault(span=span, reason=f"{shown} is missing from the translation.")

    def added(self) -> Iterator[SpanFault]:
        """Yields the numbers that only the translation has."""
        units = frozenset(one.unit for one in self._after if one.unit)
        for quantity in self._after:
            if quantity.amount.is_among(self._known, _SMALL):
                continue
            if _fraction_at(self._text, quantity) in self._known:
                continue
            if quantity.unit == "%" and _is_fraction(quantity, self._before, self._known):
                continue
            is_new = quantity.unit in self._twice or not self._converts
            if is_new or not is_converted(quantity, self._before, units):
                seen = self._text[quantity.amount.start : quantity.amount.end]
                yield SpanFault(span=None, reason=f"The source has no number {seen}.")

    def _changed_unit(self, quantity: Quantity) -> str:
        """Returns what became of the unit of a number that the translation has, "" for nothing."""
        unit, language = quantity.unit, self._pair.target
        if not unit or self._is_converted(quantity):
            return ""
        values = quantity.amount.values
        same = [other for other in self._after if not other.amount.values.isdisjoint(values)]
        seen = {other.unit for other in same if other.unit}
        if not same or stand_for(seen, unit, self._text, language):
            return ""
        if seen:
            return f"become {', '.join(sorted(seen))}"
        return "" if is_of_unit(self._text, unit, language) else f"lost its unit, {unit}"

    def _is_said_otherwise(self, quantity: Quantity) -> bool:
        """Returns whether the translation says in another way what it lacks as a number."""
        if _is_said(quantity, self._source, self._present, self._text, self._pair):
            return True
        if self._is_converted(quantity):
            return True
        if self._converts and is_converted_in_words(quantity, self._text, self._pair.target):
            return True
        if quantity.unit == "%" and (
            _ALL in quantity.amount.values or _is_fraction(quantity, self._after, self._present)
        ):
            return True
        return _has_two_units(quantity, self._before, self._present) and not is_of_unit(
            self._text, quantity.unit, self._pair.target
        )

    def _is_converted(self, quantity: Quantity) -> bool:
        """Returns whether the translation gives a number of the source in other units."""
        others = self._after
        if quantity.unit in self._twice:
            others = [one for one in others if one.unit not in self._twice]
        return self._converts and is_converted(quantity, others)


def _is_said(
    quantity: Quantity, source: str, present: frozenset[float], text: str, pair: LanguagePair
) -> bool:
    """Returns whether words say what a source has in digits: 1/2 a half, 15:00 three o'clock."""
    if _fraction_at(source, quantity) in present:
        return True
    hours = {value - _NOON for value in quantity.amount.values if value > _NOON}
    if not hours or _MINUTES.match(source, quantity.amount.end) is None:
        return False
    return not hours.isdisjoint(spelled_numbers(text, pair.target))


def _fraction_at(text: str, quantity: Quantity) -> float:
    """Returns the value of the fraction in digits that a number belongs to, -1 for none."""
    place = quantity.amount.start
    for match in _FRACTION.finditer(text, max(0, place - 2), place + 4):
        if match.start() <= place < match.end():
            return int(match[1]) / int(match[2])
    return -1.0


def _is_fraction(quantity: Quantity, after: list[Quantity], present: frozenset[float]) -> bool:
    """Returns whether a share in percent may have become one in words: 25 % a quarter."""
    return not any(other.unit == "%" for other in after) and any(
        words <= present
        for percent, ways in _FRACTIONS.items()
        if percent in quantity.amount.values
        for words in ways
    )


def _given_twice(before: list[Quantity]) -> set[str]:
    """Returns the units of what a source gives in two of them: 30 m (98 ft)."""
    with_units = [one for one in before if one.unit]
    return {one.unit for one in with_units for other in with_units if one.converts_to(other)}


def _has_two_units(quantity: Quantity, before: list[Quantity], present: frozenset[float]) -> bool:
    """Returns whether the source gives it in two units, and the translation in the other one."""
    return any(quantity.converts_to(other) and other.amount.is_among(present) for other in before)
