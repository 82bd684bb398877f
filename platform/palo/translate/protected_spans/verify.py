"""Proves that a translation holds everything that was protected, and tells what it does not."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from palo.text.normal_form import normalized
from palo.translate.protected_spans.numbers import values_in
from palo.translate.protected_spans.protect import (
    VISIBLE_KINDS,
    stray_placeholders,
    without_placeholders,
)
from palo.translate.protected_spans.quantities import DISTANCES, Quantity, is_converted, quantities
from palo.translate.request import MOST_SPANS, ProtectedSpan, ProtectedText

_NOTHING = frozenset((0.0,))
_MOST_PAIRS = 10_000
"""With more pairs of numbers to compare, none of them counts as the other in other units."""
_SMALL = frozenset((0.0, 1.0, 2.0))
"""Numbers that languages add by themselves: articles, duals, counters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanFault:
    """Something protected that a translation does not have as it should.

    Attributes:
        span: The span; None for something that no span accounts for.
        reason: What is wrong, in a plain English sentence.
    """

    span: ProtectedSpan | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguagePair:
    """Between which languages a translation is, and what it may do with units.

    Attributes:
        source: ISO 639-1 code of the source.
        target: ISO 639-1 code of the translation.
        conversions: Whether a length, weight or speed may be given in other units, if it is right.
    """

    source: str = "en"
    target: str
    conversions: bool = True


def verify_spans(protected: ProtectedText, text: str, pair: LanguagePair) -> Iterator[SpanFault]:
    """Yields what a translation has lost, doubled, changed or added of what was protected.

    Args:
        protected: The protected source.
        text: Its translation, marks replaced.
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
    """Returns how often something is found once more as a part of other spans."""
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
    converts = pair.conversions and len(before) * len(after) <= _MOST_PAIRS
    visible = iter([span for span in protected.spans if span.kind in VISIBLE_KINDS])
    for quantity in before:
        seen = source[quantity.amount.start : quantity.amount.end]
        own = next((one for one in visible if seen in one.text), None)
        told = own.text if own else seen
        is_present = quantity.amount.is_among(present, _NOTHING)
        if (not is_present or quantity.unit) and converts and is_converted(quantity, after):
            continue
        if not is_present:
            if not _is_told_twice(quantity, before, present):
                reason = f"{told} is missing from the translation."
                yield SpanFault(span=own, reason=reason)
        elif quantity.unit and (others := _other_units(quantity, after)):
            reason = f"{told} has become {', '.join(others)}."
            yield SpanFault(span=own, reason=reason)
    for quantity in after:
        if quantity.amount.is_among(known, _SMALL):
            continue
        if not (converts and is_converted(quantity, before)):
            seen = text[quantity.amount.start : quantity.amount.end]
            yield SpanFault(span=None, reason=f"The source has no number {seen}.")


def _is_told_twice(quantity: Quantity, before: list[Quantity], present: frozenset[float]) -> bool:
    """Tells whether the source gives it in two units, and the translation in the other one."""
    return any(quantity.converts_to(other) and other.amount.is_among(present) for other in before)


def _other_units(quantity: Quantity, after: list[Quantity]) -> list[str]:
    """Returns the units that stand behind a number in the translation, if its own isn't there."""
    seen = {
        other.unit
        for other in after
        if other.unit and not other.amount.values.isdisjoint(quantity.amount.values)
    }
    own = {quantity.unit, DISTANCES.get(quantity.unit, quantity.unit)}
    return sorted(seen) if seen.isdisjoint(own) else []
