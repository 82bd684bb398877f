"""The profile of a language for translation: `<code>.toml` beside this file, or a default.

A file may have these entries:

    length = 0.13                     # natural logarithm of its characters per character of English
    length_spread = 0.05              # standard deviation of that in long texts
    afternoon = ["p.m."]              # what follows an hour after noon
    prefixes = ["al"]                 # what may be written together with the word behind it
    finals = ["ed"]                   # last words, where full stops are often left out
    roles = ["assistant"]             # roles of a conversation, which begin no turn
    foreign_shapes = ["th", "ing$"]   # regular expressions for spellings that its words don't have
    loanwords = ["parking"]           # its words that have such a spelling all the same
    other_letters = "ß"               # letters of its script that its words don't have
    undecided_letters = "ی"           # letters that clean-up leaves where two others are possible
    decimal = "."                     # its decimal mark, if a comma never is one, or the other way
    number_joiners = ["and"]          # what stands between the words of one number
    number_suffixes = ["টি"]          # what may be written together with a number before it
    bare_singular = true              # a noun by itself may stand for one
    duals = ["ان"]                    # endings of nouns that stand for two
    shortest_dual = 5                 # fewest letters of such a noun
    no_duals = ["لبنان"]              # words that end so and don't
    [magnitudes]                      # words that multiply the number before them
    million = 6                       # by ten to this power; "million*" for all such words
    [numbers]                         # words for numbers, or two in a row; "twent*": all such ones
    two = 2
    [number_contexts]                 # a regular expression for a text in which a word that means
    neuf = "neuf chats"               # something else as well is a number
    [comments]                        # what a translator may say by itself, in small letters: its
    work = ["the translation is"]     # work, closings, notes, assents, refusals, apologies
    [excuses]                         # words of a source that says so itself, by the same kinds
    work = ["translat"]
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
        afternoon: What follows an hour after noon.
        prefixes: What may be written together with the word behind it.
        finals: How the last words of sentences end, where people often leave out the full stop.
        roles: Names of the roles of a conversation, in small letters.
        foreign_shapes: Regular expressions for spellings that its own words don't have.
        loanwords: Words of the language that have such a spelling all the same.
        other_letters: Letters of its script that its words don't have; names may.
        undecided_letters: Letters that normalizers leave where they could stand for two of its own.
        decimal: Its decimal mark, if thousands never have it; empty if both marks may be both.
        number_joiners: What stands between the words of one number.
        number_suffixes: What may be written together with a number before it.
        bare_singular: Whether a noun by itself may stand for one of its kind.
        duals: How nouns end that stand for two.
        shortest_dual: Fewest letters of such a noun.
        no_duals: How other words end that look like one.
        magnitudes: Powers of ten by the words that multiply the number before them.
        numbers: Numbers by the words for them.
        number_contexts: By number words that also mean something else, regular expressions for a
            text where they are numbers.
        comments: Phrases of a translator that speaks for itself, by kind: work, closing, note,
            assent, refusal, apology.
        excuses: By kind, words of a source of this language that says such a thing itself.
        units: How the language writes units, by their symbol.
    """

    length: float = 0.0
    length_spread: float = 0.25
    afternoon: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    finals: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    foreign_shapes: tuple[str, ...] = ()
    loanwords: tuple[str, ...] = ()
    other_letters: str = ""
    undecided_letters: str = ""
    decimal: str = ""
    number_joiners: tuple[str, ...] = ()
    number_suffixes: tuple[str, ...] = ()
    bare_singular: bool = False
    duals: tuple[str, ...] = ()
    shortest_dual: int = 5
    no_duals: tuple[str, ...] = ()
    magnitudes: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    number_contexts: Mapping[str, str] = field(default_factory=dict)
    comments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    excuses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
