"""Proves that a translation holds everything that was locked, and tells what it does not."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from palo.translate.locks.locking import VISIBLE_KINDS, stray_marks, without_marks
from palo.translate.locks.numbers import Amount, amounts, values_in
from palo.translate.locks.units_of_measure import DISTANCES, unit_behind
from palo.translate.units import Lock, LockedText


@dataclass(frozen=True, kw_only=True, slots=True)
class LockFault:
    """Something locked that a translation does not have as it should.

    Attributes:
        lock: The lock; None for something that no lock accounts for.
        reason: What is wrong, in a plain English sentence.
    """

    lock: Lock | None
    reason: str


def prove(
    locked: LockedText, text: str, language: str, source_language: str = "en"
) -> Iterator[LockFault]:
    """Yields what a translation has lost, doubled, changed or added of what was locked.

    Args:
        locked: The locked source.
        text: Its translation, marks replaced.
        language: ISO 639-1 code of the translation.
        source_language: ISO 639-1 code of the source.
    """
    text = unicodedata.normalize("NFC", text)
    own_marks = {lock.text for lock in locked.locks if lock.kind == "mark"}
    for mark in stray_marks(text):
        if mark not in own_marks:
            yield LockFault(lock=None, reason=f"The mark {mark} stands for nothing.")
    yield from _opaque_faults(locked, text)
    if any(lock.kind in VISIBLE_KINDS for lock in locked.locks) or any(map(str.isdecimal, text)):
        yield from _visible_faults(locked, text, language, source_language)


def _opaque_faults(locked: LockedText, text: str) -> Iterator[LockFault]:
    opaque = [lock for lock in locked.locks if lock.kind not in VISIBLE_KINDS]
    expected = Counter(lock.wanted for lock in opaque)
    for wanted, lock in {lock.wanted: lock for lock in opaque}.items():
        least = expected[wanted]
        # What is part of another lock is found once more there.
        most = least + sum(
            count * other.count(wanted) for other, count in expected.items() if other != wanted
        )
        count = text.count(wanted)
        if count < least:
            times = "" if least == 1 else f" {least} times, but it does so {count} times"
            yield LockFault(lock=lock, reason=f'"{wanted}" must stand in the translation{times}.')
        elif count > most and lock.kind not in ("term", "quotation"):
            yield LockFault(
                lock=lock,
                reason=f'"{wanted}" stands in the translation {count} times, not {least}.',
            )


def _visible_faults(
    locked: LockedText, text: str, language: str, source_language: str
) -> Iterator[LockFault]:
    visible = [lock for lock in locked.locks if lock.kind in VISIBLE_KINDS]
    outside = text
    for lock in locked.locks:
        if lock.kind not in VISIBLE_KINDS:
            outside = outside.replace(lock.wanted, " ")
    source = without_marks(locked.text)
    known = values_in(source, source_language)
    mine = {source[one.start : one.end]: one for one in amounts(source, source_language)}
    present = values_in(outside, language)
    there = amounts(outside, language)
    for lock in visible:
        own = amounts(lock.text, source_language)[0]
        # Words around a number, such as p.m., tell how it may be read.
        amount = mine.get(lock.text[own.start : own.end], own)
        if not amount.is_among(present):
            yield LockFault(lock=lock, reason=f"{lock.text} is missing from the translation.")
        elif lock.kind == "unit":
            yield from _unit_faults(lock, amount, (outside, there), (language, source_language))
    for amount in there:
        if not amount.is_among(known | {0.0}):
            seen = outside[amount.start : amount.end]
            yield LockFault(lock=None, reason=f"The source has no number {seen}.")


def _unit_faults(
    lock: Lock,
    amount: Amount,
    translation: tuple[str, list[Amount]],
    languages: tuple[str, str],
) -> Iterator[LockFault]:
    """Yields that a number which is there has another unit than it had."""
    (text, there), (language, source_language) = translation, languages
    own = amounts(lock.text, source_language)[0]
    wanted = unit_behind(lock.text, own.end, source_language)
    if wanted is None:
        return
    seen = [
        unit_behind(text, one.end, language)
        for one in there
        if not one.values.isdisjoint(amount.values)
    ]
    others = {unit[0] for unit in seen if unit is not None}
    if others and others.isdisjoint({wanted[0], DISTANCES.get(wanted[0], wanted[0])}):
        yield LockFault(lock=lock, reason=f"{lock.text} has become {', '.join(sorted(others))}.")
