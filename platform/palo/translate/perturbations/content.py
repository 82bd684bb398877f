"""Perturbations of the content: protected spans, numbers, language, and a translator's remarks."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample
from palo.translate.protected_spans.numbers import amounts
from palo.translate.protected_spans.protect import VISIBLE_KINDS

_DIGIT = re.compile(r"\d")


def dropped_lock(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out an address, a file name or code.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    found = _opaque(sample)
    if not found:
        return None
    number, wanted = draw.choice(found)
    return sample.replaced(number, sample.texts[number].replace(wanted, "", 1).strip())


def changed_lock(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Changes one character of an address, a file name or code.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    found = _opaque(sample)
    if not found:
        return None
    number, wanted = draw.choice(found)
    place = draw.randrange(1, len(wanted) - 1)
    other = "q" if wanted[place] != "q" else "z"
    changed = wanted[:place] + other + wanted[place + 1 :]
    return sample.replaced(number, sample.texts[number].replace(wanted, changed, 1))


def stray_mark(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Inserts a placeholder without a protected span.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    text = sample.texts[number]
    place = draw.randrange(len(text))
    return sample.replaced(number, f"{text[:place]}⟦{draw.randrange(20, 90)}⟧{text[place:]}")


def dropped_number(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out a number that is there once.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    found = _numbers(sample)
    if not found:
        return None
    number, start, end = draw.choice(found)
    text = sample.texts[number]
    return sample.replaced(number, text[:start] + text[end:])


def changed_number(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Changes one digit of a number.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
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
    """Prepends a number that the source lacks.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, f"{draw.randrange(21, 9_000)} {sample.texts[number]}")


def _opaque(sample: PerturbationSample) -> list[tuple[int, str]]:
    return [
        (number, span.target)
        for number, turn in enumerate(sample.request.turns)
        for span in turn.spans
        if span.kind not in VISIBLE_KINDS and span.target in sample.texts[number]
    ]


def _numbers(sample: PerturbationSample) -> list[tuple[int, int, int]]:
    """Returns turn, start and end of numbers that are in the source and once in the translation."""
    language, source = sample.request.language, sample.request.source
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


_FEWEST_WORDS = 9
_LAST_LATIN = "\u02ff"


def other_language(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a turn by its translation into another language.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, sample.others[draw.choice(sorted(sample.others))][number])


def source_language(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a turn untranslated.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, sample.request.source.turns[number].text)


def other_script(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts some letters of another script into a turn.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    own = languages.get(sample.request.language).script
    codes = [
        code
        for code in sorted(sample.others)
        if languages.get(code).script not in (own, "Latn") and not _share(own, code)
    ]
    number = draw.randrange(len(sample.texts))
    foreign = [
        one
        for one in sample.others[draw.choice(codes)][number]
        if one.isalpha() and one > _LAST_LATIN
    ]
    text = sample.texts[number]
    place = draw.randrange(len(text))
    return sample.replaced(number, f"{text[:place]} {''.join(foreign[:4])} {text[place:]}")


def remainder(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves the end of a turn in the source's language.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    source = sample.request.source.turns[number].text.split()
    if len(source) < _FEWEST_WORDS:
        return None
    text = sample.texts[number]
    return sample.replaced(
        number, f"{text[: len(text) * 2 // 3]} {' '.join(source[len(source) * 2 // 3 :])}"
    )


def name_in_two_scripts(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a name in Latin letters in one turn that the other has in the language's own.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    if languages.get(sample.request.language).script == "Latn":
        return None
    words = [
        {word for word in turn.text.split()[1:] if word.istitle() and word.isalpha()}
        for turn in sample.request.source.turns
    ]
    names = sorted(
        name
        for name in words[0] & words[-1]
        if len(name) > 2 and not any(name in text for text in sample.texts)
    )
    if not names:
        return None
    text = sample.texts[0]
    return sample.replaced(0, f"{text[:-1]} {draw.choice(names)}{text[-1:]}")


def _share(script: str, code: str) -> bool:
    """Returns whether a script and a language share characters."""
    han = ("Hans", "Hant", "Jpan")
    other = languages.get(code).script
    return script == other or (script in han and other in han)


_FALLBACK = "en"


def chatter(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds words about the translation to a turn, before or behind it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    template = draw.choice(_phrases(sample, draw)["chatter"])
    name = languages.get(sample.request.language).name
    return sample.replaced(number, template.format(text=sample.texts[number], language=name))


def refusal(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Refuses to translate a turn.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, draw.choice(_phrases(sample, draw)["refusal"]))


def wrapped(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts a turn between marks of its own.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    number = draw.randrange(len(sample.texts))
    first, last = draw.choice(['""', "“”", "«»", "<>", ("```\n", "\n```"), ("**", "**")])
    text = sample.texts[number]
    source = sample.request.source.turns[number].text
    if any(mark in source + text for mark in "\"'“”«»‘’"):
        return None
    return sample.replaced(number, f"{first}{text}{last}")


def _phrases(sample: PerturbationSample, draw: Random) -> Mapping[str, list[str]]:
    return _read(draw.choice((_FALLBACK, sample.request.language))) or _read(_FALLBACK)


@cache
def _read(language: str) -> Mapping[str, list[str]]:
    path = files(__package__) / "phrases" / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


KINDS = (
    dropped_lock,
    changed_lock,
    stray_mark,
    dropped_number,
    changed_number,
    added_number,
    other_language,
    source_language,
    other_script,
    remainder,
    name_in_two_scripts,
    chatter,
    refusal,
    wrapped,
)
