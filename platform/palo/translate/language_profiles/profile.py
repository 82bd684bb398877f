"""Reads the facts of a language: `facts/<code>.toml`, or what holds for any language.

A file may tell, all of it optional:

    length = 0.13                     # natural logarithm of its characters per character of English
    length_spread = 0.05              # standard deviation of that in long texts
    spoken = ["the answer is"]        # how a translator talks about the work instead of doing it
    refused = ["I can't"]             # how it refuses
    afternoon = ["p.m."]              # what follows an hour after noon
    prefixes = ["al"]                 # what may be written together with the word behind it
    finals = ["ed"]                   # last words, where full stops are often left out
    [magnitudes]                      # words that multiply the number before them
    million = 6                       # by ten to this power; "million*" for all such words
    [numbers]                         # words for numbers
    two = 2
    [units]                           # how the language writes units, by the symbol
    km = ["kilometros"]
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from palo.config import from_dict


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageProfile:
    """What translation needs to know of a language.

    Attributes:
        length: Natural logarithm of its characters per character of English.
        length_spread: Standard deviation of that in long texts.
        spoken: How a translator talks about the work instead of doing it.
        refused: How it refuses.
        afternoon: What follows an hour after noon.
        prefixes: What may be written together with the word behind it.
        finals: How the last words of sentences end, where people often leave out the full stop.
        magnitudes: Powers of ten by the words that multiply the number before them.
        numbers: Numbers by the words for them.
        units: How the language writes units, by their symbol.
    """

    length: float = 0.0
    length_spread: float = 0.25
    spoken: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    afternoon: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    finals: tuple[str, ...] = ()
    magnitudes: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@cache
def language_profile(language: str) -> LanguageProfile:
    """Returns the facts of a language; a language without a file has those of none in particular.

    Args:
        language: ISO 639-1 code.

    Raises:
        ConfigError: If its file has a wrong entry.
    """
    path = files(__package__) / f"{language}.toml"
    if not path.is_file():
        return LanguageProfile()
    return from_dict(LanguageProfile, tomllib.loads(path.read_text(encoding="utf-8")))
