"""The facts of a language as the registry wants them, from those of CLDR and of its neighbours."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from babel import localedata

from palo import languages
from palo.languages import Language
from palo.new_language.cldr import CldrFacts, read_cldr

# Marks that Unicode's standard gives scripts of their own; all others share the European ones.
_FULL_STOPS = {
    "Armn": "։", "Beng": "।", "Cans": "᙮", "Deva": "।", "Ethi": "።", "Guru": "।", "Hans": "。",
    "Hant": "。", "Jpan": "。", "Khmr": "។", "Laoo": ".", "Mymr": "။", "Olck": "᱾", "Orya": "।",
    "Tibt": "།",
}  # fmt: skip
_QUESTION_MARKS = {
    "Arab": "؟", "Armn": "՞", "Ethi": "፧", "Grek": ";", "Hans": "？", "Hant": "？", "Jpan": "？",
    "Nkoo": "؟", "Syrc": "؟", "Thaa": "؟",
}  # fmt: skip
_QUOTES = {"Arab": ("«", "»"), "Grek": ("«", "»"), "Hant": ("「", "」"), "Jpan": ("「", "」")}
# A letter that makes up so much of a language's text tells it from others of its script.
_LEAST_OWN_SHARE = 0.03
# Bytes of UTF-8 that LLaMA's tokenizer has no pieces for are a token each.
_TOKENS_BY_BYTES = {1: 1.7, 2: 3.0, 3: 5.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptNeighbours:
    """What a language's letters say beside those of the others of its script.

    Attributes:
        own: Letters that no other has and that are frequent enough to tell it by.
        usual: Letters that those lack which have no letters of their own.
    """

    own: str
    usual: str


def compare_letters(facts: CldrFacts, others: Iterable[Language]) -> ScriptNeighbours:
    """Compares the letters of a language with those of other languages of its script.

    Args:
        facts: What CLDR says of it.
        others: The other languages; those of other scripts don't count.
    """
    near = [one for one in others if one.script == facts.script and one.code != facts.code]
    letters = {one.code: _letters(one) for one in near}
    mine = [letter for letter in facts.letters if unicodedata.category(letter)[0] == "L"]
    if not near:
        return ScriptNeighbours(own="", usual="")
    unique = [letter for letter in mine if not any(letter in its for its in letters.values())]
    is_enough = sum(facts.letters[letter] for letter in unique) >= _LEAST_OWN_SHARE
    plain = [letters[one.code] for one in near if not one.own_letters]
    usual = [letter for letter in mine if plain and not any(letter in its for its in plain)]
    return ScriptNeighbours(
        own="".join(unique) if is_enough else "",
        usual="".join(letter for letter in usual if letter not in unique or not is_enough),
    )


def _letters(language: Language) -> set[str]:
    """Returns the letters of a language; of one that CLDR lacks, those that tell it from others."""
    if localedata.exists(language.code):
        return set(read_cldr(language.code).letters)
    return set(language.own_letters + language.usual_letters)


def llama_tokens(facts: CldrFacts) -> float:
    """Estimates tokens of LLaMA's tokenizer for a text, over those of its English version.

    It is the mean of the built-in languages of the script, else what the bytes of its letters
    suggest: a plan that is made before there is a corpus needs no more.

    Args:
        facts: What CLDR says of the language.
    """
    near = [
        one.llama_tokens
        for code in languages.BUILT_IN
        if (one := languages.get(code)).script == facts.script and code != "en"
    ]
    if near:
        return round(sum(near) / len(near), 1)
    size = round(sum(len(letter.encode()) * share for letter, share in facts.letters.items()))
    return _TOKENS_BY_BYTES.get(size, max(_TOKENS_BY_BYTES.values()))


def full_stop(script: str) -> str:
    """Returns the mark that ends a statement in a script.

    Args:
        script: ISO 15924 code.
    """
    return _FULL_STOPS.get(script, ".")


def question_mark(script: str) -> str:
    """Returns the mark that ends a question in a script.

    Args:
        script: ISO 15924 code.
    """
    return _QUESTION_MARKS.get(script, "?")


def quotation_marks(script: str) -> tuple[str, str]:
    """Returns quotation marks that are usual in a script.

    Args:
        script: ISO 15924 code.
    """
    return _QUOTES.get(script, ("“", "”"))
