"""Faults in what must stay as it is: locks, numbers and units."""

import re
from random import Random

from palo.translate.perturbations.sample import PerturbationSample
from palo.translate.protected_spans.numbers import amounts
from palo.translate.protected_spans.protect import VISIBLE_KINDS

_DIGIT = re.compile(r"\d")


def dropped_lock(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out an address, a file name or code."""
    found = _opaque(sample)
    if not found:
        return None
    number, wanted = draw.choice(found)
    return sample.replaced(number, sample.texts[number].replace(wanted, "", 1).strip())


def changed_lock(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Changes one character of an address, a file name or code."""
    found = _opaque(sample)
    if not found:
        return None
    number, wanted = draw.choice(found)
    place = draw.randrange(1, len(wanted) - 1)
    other = "q" if wanted[place] != "q" else "z"
    changed = wanted[:place] + other + wanted[place + 1 :]
    return sample.replaced(number, sample.texts[number].replace(wanted, changed, 1))


def stray_mark(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a mark in the text that stands for nothing."""
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.randrange(len(text))
    return sample.replaced(number, f"{text[:place]}⟦{draw.randrange(20, 90)}⟧{text[place:]}")


def dropped_number(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out a number that is there once."""
    found = _numbers(sample)
    if not found:
        return None
    number, start, end = draw.choice(found)
    text = sample.texts[number]
    return sample.replaced(number, text[:start] + text[end:])


def changed_number(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Changes one digit of a number."""
    found = _numbers(sample)
    if not found:
        return None
    number, start, end = draw.choice(found)
    text = sample.texts[number]
    places = [place for place in range(start, end) if text[place].isdecimal()]
    place = draw.choice(places)
    zero = ord(text[place]) - int(text[place])
    digit = (int(text[place]) + draw.randrange(1, 9)) % 10
    return sample.replaced(number, text[:place] + chr(zero + digit) + text[place + 1 :])


def added_number(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts a number in front that nobody named."""
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, f"{draw.randrange(21, 9_000)} {sample.texts[number]}")


def _opaque(sample: PerturbationSample) -> list[tuple[int, str]]:
    return [
        (number, lock.wanted)
        for number, turn in enumerate(sample.unit.turns)
        for lock in turn.locks
        if lock.kind not in VISIBLE_KINDS and lock.wanted in sample.texts[number]
    ]


def _numbers(sample: PerturbationSample) -> list[tuple[int, int, int]]:
    """Returns turn, start and end of numbers that are in the source and once in the translation."""
    language, source = sample.unit.language, sample.unit.source
    found = []
    for number, text in enumerate(sample.texts):
        known = frozenset[float]().union(
            *(one.values for one in amounts(source.turns[number].text, source.language))
        )
        there = amounts(text, language)
        for amount in there:
            again = sum(not amount.values.isdisjoint(other.values) for other in there)
            if again == 1 and not amount.values.isdisjoint(known) and max(amount.values) > 2:
                digits = [m.start() for m in _DIGIT.finditer(text, amount.start, amount.end)]
                found.append((number, digits[0], digits[-1] + 1))
    return found
