"""The profile of a language for translation: `<code>.toml` beside this file, or a default.

A file may have these entries:

    length = 0.13                     # natural logarithm of its characters per character of English
    length_spread = 0.05              # standard deviation of that in long texts
    spoken = ["the answer is"]        # a translator's comments on its work
    refused = ["I can't"]             # its refusals
    afternoon = ["p.m."]              # what follows an hour after noon
    prefixes = ["al"]                 # what may be written together with the word behind it
    finals = ["ed"]                   # last words, where full stops are often left out
    roles = ["assistant"]             # roles of a conversation, which begin no turn
    foreign_shapes = ["th", "ing$"]   # regular expressions for spellings that its words don't have
    loanwords = ["parking"]           # its words that have such a spelling all the same
    other_letters = "ß"               # letters of its script that its words don't have
    decimal = "."                     # its decimal mark, if a comma never is one, or the other way
    [magnitudes]                      # words that multiply the number before them
    million = 6                       # by ten to this power; "million*" for all such words
    [numbers]                         # words for numbers
    two = 2
    [units]                           # how the language writes units, by the symbol
    km = ["kilometros"]
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from palo.language_files import read_as


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageProfile:
    """Properties of a language that normalizers and checks need.

    Attributes:
        length: Natural logarithm of its characters per character of English.
        length_spread: Standard deviation of that in long texts.
        spoken: Phrases of a translator that comments on its work.
        refused: Phrases of a translator that refuses.
        afternoon: What follows an hour after noon.
        prefixes: What may be written together with the word behind it.
        finals: How the last words of sentences end, where people often leave out the full stop.
        roles: Names of the roles of a conversation, in small letters.
        foreign_shapes: Regular expressions for spellings that its own words don't have.
        loanwords: Words of the language that have such a spelling all the same.
        other_letters: Letters of its script that its words don't have; names may.
        decimal: Its decimal mark, if thousands never have it; empty if both marks may be both.
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
    roles: tuple[str, ...] = ()
    foreign_shapes: tuple[str, ...] = ()
    loanwords: tuple[str, ...] = ()
    other_letters: str = ""
    decimal: str = ""
    magnitudes: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@cache
def language_profile(language: str) -> LanguageProfile:
    """Returns the profile of a language; the default one for a language without a file.

    Args:
        language: ISO 639-1 code.

    Raises:
        ConfigError: If its file has a wrong entry.
    """
    return read_as(LanguageProfile, language, "profile", Path(__file__).parent)
