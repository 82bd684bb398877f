"""Verifies that a translation keeps every protected span."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
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
    source = without_placeholders(protected.text)
    before, after = quantities(source, pair.source), quantities(text, pair.target)
    if before and not any(span.kind in VISIBLE_KINDS for span in protected.spans):
        return  # numbers were not to be protected
    known, present = values_in(source, pair.source), values_in(text, pair.target)
    converts = pair.conversions and len(before) * max(len(before), len(after)) <= _MOST_PAIRS
    twice = _given_twice(before) if converts else set[str]()
    visible = iter([span for span in protected.spans if span.kind in VISIBLE_KINDS])
    for quantity in before:
        seen = source[quantity.amount.start : quantity.amount.end]
        own = next((one for one in visible if seen in one.text), None)
        shown = own.text if own else seen
        is_present = quantity.amount.is_among(present, _NOTHING)
        if not is_present and _is_said(quantity, source, present, text, pair):
            continue
        others = (
            [one for one in after if one.unit not in twice] if quantity.unit in twice else after
        )
        if (not is_present or quantity.unit) and converts and is_converted(quantity, others):
            continue
        if not is_present and converts and is_converted_in_words(quantity, text, pair.target):
            continue
        if not is_present:
            if quantity.unit == "%" and (
                _ALL in quantity.amount.values or _is_fraction(quantity, after, present)
            ):
                continue
            is_given = _has_two_units(quantity, before, present)
            if not is_given or is_of_unit(text, quantity.unit, pair.target):
                reason = f"{shown} is missing from the translation."
                yield SpanFault(span=own, reason=reason)
        elif quantity.unit and (change := _changed_unit(quantity, after, text, pair.target)):
            yield SpanFault(span=own, reason=f"{shown} has {change}.")
    units = frozenset(one.unit for one in after if one.unit)
    for quantity in after:
        if quantity.amount.is_among(known, _SMALL) or _fraction_at(text, quantity) in known:
            continue
        if quantity.unit == "%" and _is_fraction(quantity, before, known):
            continue
        if quantity.unit in twice or not (converts and is_converted(quantity, before, units)):
            seen = text[quantity.amount.start : quantity.amount.end]
            yield SpanFault(span=None, reason=f"The source has no number {seen}.")


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


def _changed_unit(quantity: Quantity, after: list[Quantity], text: str, language: str) -> str:
    """Returns what a translation has made of the unit of a number, "" for nothing."""
    same = [other for other in after if not other.amount.values.isdisjoint(quantity.amount.values)]
    seen = {other.unit for other in same if other.unit}
    if not same or stand_for(seen, quantity.unit, text, language):
        return ""
    if seen:
        return f"become {', '.join(sorted(seen))}"
    return "" if is_of_unit(text, quantity.unit, language) else f"lost its unit, {quantity.unit}"
