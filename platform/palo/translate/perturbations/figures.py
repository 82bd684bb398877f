"""Perturbations of figures: units, conversions, separators, currencies, and quoted signs.

They work on sentences of our own about images, `measures/<code>.toml`, whose figures are drawn.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample, one_sample

_FIELD = re.compile(r"\{([^{}]+)\}")
_SMALLER: Mapping[str, str] = {
    "kg": "g",
    "g": "kg",
    "cm": "mm",
    "m": "cm",
    "km": "m",
    "km/h": "m/s",
    "l": "ml",
}
_OTHER_SYSTEM: Mapping[str, str] = {
    "kg": "lb",
    "g": "oz",
    "cm": "in",
    "m": "ft",
    "km": "mi",
    "km/h": "mph",
    "l": "gal",
    "°C": "°F",
    "$": "€",
}
_UNLIKE: Mapping[str, str] = {
    "kg": "m",
    "cm": "kg",
    "km/h": "km",
    "m": "l",
    "km": "%",
    "l": "kg",
    "g": "ml",
    "°C": "%",
    "%": "°C",
}
_BEFORE_NUMBER = ("$", "€")
_THOUSANDS = {"es": ".", "fr": "\u202f", "ru": "\u00a0"}
_COMMA = ","
_NUM_ROUNDS = 12
_OWN_DIGITS = 0.3
_SIGNS_IN = "en"
_OWN_UNITS_ONLY = ("ja",)
_LATIN_DIGITS = ("ur",)
_CURRENCY_BEHIND = ("es", "fr", "ru")


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureSentences:
    """Sentences about images with figures, in one language.

    Attributes:
        sentences: The sentences, a unit's symbol between braces for each figure.
        sign: A sentence about a sign, {text} for its words.
        signs: What the signs would say in this language.
        units: Two ways of writing each unit.
    """

    sentences: tuple[str, ...]
    sign: str
    signs: tuple[str, ...]
    units: Mapping[str, tuple[str, str]]


def measured_samples(
    rows: Sequence[Mapping[str, str]], language: str, source: str = "en"
) -> Iterator[PerturbationSample]:
    """Yields conversations whose answers are sentences with figures and signs.

    Args:
        rows: Sentences by ISO 639-1 code, the questions.
        language: ISO 639-1 code of the target language.
        source: ISO 639-1 code of the source language.
    """
    if read_measures(language) is None or read_measures(source) is None:
        return
    for number in range(min(len(rows), _NUM_ROUNDS * 13)):
        draw = Random(f"measures {number}")  # noqa: S311 - nothing secret is drawn
        answers = dict(_sentences(number, list(rows[number]), draw))
        yield one_sample((rows[number], answers), rows[number - 1], (language, source), number)


def _sentences(number: int, codes: Sequence[str], draw: Random) -> Iterator[tuple[str, str]]:
    """Yields one sentence in each language, its figures the same in all."""
    figures = _Figures(
        many=draw.randrange(12, 98) * 500,
        few=draw.choice((15, 18, 25, 36, 47, 60, 85)),
        style=draw.choice(("word", "symbol", "latin")),
        has_own_digits=draw.random() < _OWN_DIGITS,
    )
    for code in codes:
        measures = read_measures(code)
        if measures is None:
            continue
        kind = number % (len(measures.sentences) + 1)
        if kind < len(measures.sentences):
            yield code, _filled(measures.sentences[kind], code, figures)
        elif signs := read_measures(_SIGNS_IN):
            yield code, measures.sign.format(text=signs.signs[number % len(signs.signs)])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Figures:
    """What the figures of a conversation are, in every language.

    Attributes:
        many: A number of thousands.
        few: A number for units; its plural is the same in every language that has several.
        style: How units are written: as a word, as the language's symbol, or as the Latin one.
        has_own_digits: Whether the language's own digits are written.
    """

    many: int
    few: int
    style: str
    has_own_digits: bool


def _filled(sentence: str, code: str, figures: _Figures) -> str:
    """Returns a sentence with its figures."""
    own, latin = read_measures(code), read_measures(_SIGNS_IN)
    is_latin = figures.style == "latin" and code not in _OWN_UNITS_ONLY
    measures = latin if is_latin and latin is not None else own
    units = {} if measures is None else measures.units
    written = {unit: forms[figures.style == "word"] for unit, forms in units.items()}

    def figure(field: re.Match[str]) -> str:
        made = _figure(field[1], code, figures, written)
        if figures.has_own_digits and code not in _LATIN_DIGITS:
            return made.translate(str.maketrans("0123456789", languages.get(code).digits))
        return made

    return _FIELD.sub(figure, sentence)


def _figure(unit: str, code: str, figures: _Figures, units: Mapping[str, str]) -> str:
    if unit == "n":
        return f"{figures.many:,}".replace(_COMMA, _THOUSANDS.get(code, _COMMA))
    number = round(figures.few / 0.3048) if unit == "ft" else figures.few
    word = units[unit]
    if word in _BEFORE_NUMBER and code not in _CURRENCY_BEHIND:
        return f"{word}{number}"
    is_tight = languages.get(code).script in ("Hans", "Jpan") or word in ("%", "°C", "٪")
    return f"{number}{word}" if is_tight else f"{number} {word}"


@cache
def read_measures(language: str) -> FigureSentences | None:
    """Returns the sentences with figures of a language; None if there are none.

    Args:
        language: ISO 639-1 code.
    """
    path = files(__package__) / "measures" / f"{language}.toml"
    if not path.is_file():
        return None
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return FigureSentences(
        sentences=tuple(values["sentences"]),
        sign=values["sign"],
        signs=tuple(values["signs"]),
        units={unit: (forms[0], forms[1]) for unit, forms in values["units"].items()},
    )


def unit_of_other_size(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a unit by a smaller or larger one of its system.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _with_unit(sample, draw, _SMALLER)


def unit_of_other_system(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a unit by one of another system, or a currency by another.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _with_unit(sample, draw, _OTHER_SYSTEM)


def unit_of_other_kind(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Replaces a unit by one that measures something else.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _with_unit(sample, draw, _UNLIKE)


def lost_unit(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves out a unit.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    return _with_unit(sample, draw, dict.fromkeys([*_SMALLER, *_OTHER_SYSTEM, "%"], ""))


def _with_unit(
    sample: PerturbationSample, draw: Random, others: Mapping[str, str]
) -> tuple[str, ...] | None:
    """Puts another unit in the place of the only one that a turn has."""
    own, english = read_measures(sample.request.language), read_measures("en")
    text = sample.texts[-1]
    if own is None or english is None or text.count("(") or text.count("（"):
        return None
    for unit, forms in sorted(_forms(own, english), key=lambda pair: -len(pair[1])):
        place = re.search(
            rf"(?<=\d)[ \u00a0\u202f]?{re.escape(forms)}(?![a-z])|{re.escape(forms)}(?=\d)", text
        )
        if place is None:
            continue
        if unit not in others:
            return None
        other = others[unit]
        style = draw.randrange(2)
        table = english.units if forms.isascii() and forms in english.units[unit] else own.units
        gap = " " if place[0].startswith((" ", "\u00a0", "\u202f")) else ""
        new = f"{gap}{table[other][style]}" if other else ""
        return sample.replaced(
            len(sample.texts) - 1, text[: place.start()] + new + text[place.end() :]
        )
    return None


def _forms(*measures: FigureSentences) -> Iterator[tuple[str, str]]:
    for one in measures:
        for unit, forms in one.units.items():
            for form in forms:
                yield unit, form


def doubled_conversion(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Converts a figure anew that the source gives in two units.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    text = sample.texts[-1]
    found = re.search(r"[(（](\d+)", text)
    if found is None:
        return None
    other = round(int(found[1]) * draw.choice((0.93, 1.05, 1.07)))
    return sample.replaced(
        len(sample.texts) - 1, f"{text[: found.start(1)]}{other}{text[found.end(1) :]}"
    )


def other_grouping(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds a digit to a group of thousands, or takes one.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    found = re.search(r"\d[.,\u00a0\u202f]\d{3}\b", sample.texts[-1])
    if found is None:
        return None
    group = found[0][2:]
    changed = draw.choice((f"{group}0", group[:2], f"0{group}"))
    text = sample.texts[-1]
    return sample.replaced(
        len(sample.texts) - 1, text[: found.start() + 2] + changed + text[found.end() :]
    )


def swapped_digits(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Swaps two digits of a number.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    text = sample.texts[-1]
    places = [m.start() for m in re.finditer(r"(?<!\d)(\d)(?!\1)\d(?!\d)", text)]
    if not places:
        return None
    place = draw.choice(places)
    return sample.replaced(
        len(sample.texts) - 1, f"{text[:place]}{text[place + 1]}{text[place]}{text[place + 2 :]}"
    )


def shifted_point(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts a decimal point into a number, or a zero behind it.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    text = sample.texts[-1]
    found = re.search(r"(?<![\d.,\u00a0\u202f])(\d)(\d)(?![\d.,\u00a0\u202f])", text)
    if found is None:
        return None
    made = draw.choice((f"{found[1]}.{found[2]}", f"{found[0]}0", f"{found[1]},{found[2]}"))
    return sample.replaced(
        len(sample.texts) - 1, text[: found.start()] + made + text[found.end() :]
    )


def translated_sign(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Translates what a sign says.

    Args:
        sample: A correct translation.
        draw: Draws the place and the kind of the change.
    """
    own, english = read_measures(sample.request.language), read_measures("en")
    if own is None or english is None:
        return None
    text = sample.texts[-1]
    for words, other in zip(english.signs, own.signs, strict=True):
        if words in text:
            return sample.replaced(len(sample.texts) - 1, text.replace(words, other))
    return None


KINDS = (
    unit_of_other_size,
    unit_of_other_system,
    unit_of_other_kind,
    lost_unit,
    doubled_conversion,
    other_grouping,
    swapped_digits,
    shifted_point,
    translated_sign,
)
