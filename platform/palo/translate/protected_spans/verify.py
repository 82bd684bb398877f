"""Proves that a translation holds everything that was locked, and tells what it does not."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from palo.text.normal_form import normalized
from palo.translate.protected_spans.numbers import values_in
from palo.translate.protected_spans.protect import VISIBLE_KINDS, stray_marks, without_marks
from palo.translate.protected_spans.quantities import DISTANCES, Quantity, is_converted, quantities
from palo.translate.request import MOST_LOCKS, ProtectedSpan, ProtectedText

_NOTHING = frozenset((0.0,))
_MOST_PAIRS = 10_000
"""With more pairs of numbers to compare, none of them counts as the other in other units."""
_SMALL = frozenset((0.0, 1.0, 2.0))
"""Numbers that languages add by themselves: articles, duals, counters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanFault:
    """Something locked that a translation does not have as it should.

    Attributes:
        lock: The lock; None for something that no lock accounts for.
        reason: What is wrong, in a plain English sentence.
    """

    lock: ProtectedSpan | None
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


def verify_spans(locked: ProtectedText, text: str, tongues: LanguagePair) -> Iterator[SpanFault]:
    """Yields what a translation has lost, doubled, changed or added of what was locked.

    Args:
        locked: The locked source.
        text: Its translation, marks replaced.
        tongues: The languages.
    """
    if len(locked.locks) > MOST_LOCKS:
        reason = f"The source holds {len(locked.locks)} parts that must stay, too many to prove."
        yield SpanFault(lock=None, reason=reason)
        return
    text = normalized("NFC", text)
    own_marks = {lock.text for lock in locked.locks if lock.kind == "mark"}
    for mark in stray_marks(text):
        if mark not in own_marks:
            yield SpanFault(lock=None, reason=f"The mark {mark} stands for nothing.")
    yield from _opaque_faults(locked, text)
    if any(lock.kind in VISIBLE_KINDS for lock in locked.locks) or any(map(str.isdecimal, text)):
        yield from _visible_faults(locked, text, tongues)


def _opaque_faults(locked: ProtectedText, text: str) -> Iterator[SpanFault]:
    opaque = [lock for lock in locked.locks if lock.kind not in VISIBLE_KINDS]
    expected = Counter(lock.wanted for lock in opaque)
    for wanted, lock in {lock.wanted: lock for lock in opaque}.items():
        least, count = expected[wanted], text.count(wanted)
        if count < least:
            times = "" if least == 1 else f" {least} times, but it does so {count} times"
            yield SpanFault(lock=lock, reason=f'"{wanted}" must stand in the translation{times}.')
        elif lock.kind not in ("term", "quotation") and count > least + _within(expected, wanted):
            reason = f'"{wanted}" stands in the translation {count} times, not {least}.'
            yield SpanFault(lock=lock, reason=reason)


def _within(expected: Mapping[str, int], wanted: str) -> int:
    """Returns how often something is found once more as a part of other locks."""
    return sum(n * other.count(wanted) for other, n in expected.items() if other != wanted)


def _visible_faults(locked: ProtectedText, text: str, tongues: LanguagePair) -> Iterator[SpanFault]:
    for lock in locked.locks:
        if lock.kind not in VISIBLE_KINDS:
            text = text.replace(lock.wanted, " ")
    source = without_marks(locked.text)
    before, after = quantities(source, tongues.source), quantities(text, tongues.target)
    if before and not any(lock.kind in VISIBLE_KINDS for lock in locked.locks):
        return  # numbers were not to be locked
    known, present = values_in(source, tongues.source), values_in(text, tongues.target)
    converts = tongues.conversions and len(before) * len(after) <= _MOST_PAIRS
    visible = iter([lock for lock in locked.locks if lock.kind in VISIBLE_KINDS])
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
                yield SpanFault(lock=own, reason=reason)
        elif quantity.unit and (others := _other_units(quantity, after)):
            reason = f"{told} has become {', '.join(others)}."
            yield SpanFault(lock=own, reason=reason)
    for quantity in after:
        if quantity.amount.is_among(known, _SMALL):
            continue
        if not (converts and is_converted(quantity, before)):
            seen = text[quantity.amount.start : quantity.amount.end]
            yield SpanFault(lock=None, reason=f"The source has no number {seen}.")


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
