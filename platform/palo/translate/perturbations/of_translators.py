"""What translators say instead of translating, or besides.

What they say in a language is in `phrases/<code>.toml`.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_SOURCE = "en"


def chatter(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Adds words about the translation to a turn, before or behind it."""
    number = draw.randrange(len(sample.texts))
    template = draw.choice(_phrases(sample, draw)["chatter"])
    name = languages.get(sample.unit.language).name
    return sample.replaced(number, template.format(text=sample.texts[number], language=name))


def refusal(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Refuses to translate a turn."""
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, draw.choice(_phrases(sample, draw)["refusal"]))


def wrapped(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts a turn between marks of its own."""
    number = draw.randrange(len(sample.texts))
    first, last = draw.choice(['""', "“”", "«»", "<>", ("```\n", "\n```"), ("**", "**")])
    text = sample.texts[number]
    source = sample.unit.source.turns[number].text
    if any(mark in source + text for mark in "\"'“”«»‘’"):
        return None
    return sample.replaced(number, f"{first}{text}{last}")


def _phrases(sample: PerturbationSample, draw: Random) -> Mapping[str, list[str]]:
    return _read(draw.choice((_SOURCE, sample.unit.language))) or _read(_SOURCE)


@cache
def _read(language: str) -> Mapping[str, list[str]]:
    path = files(__package__) / "phrases" / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
