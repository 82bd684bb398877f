"""Language fidelity: whether a model answers in the language of the question."""

from functools import cache
from typing import Literal, NamedTuple

from palo import languages
from palo.text.language_of import LanguageFinder

Fidelity = Literal["right", "wrong", "unsure", "empty"]


class AnswerLanguage(NamedTuple):
    """The language of an answer.

    Attributes:
        language: ISO 639-1 code, ISO 15924 code of a script of none of the languages, or None.
        fidelity: right or wrong; unsure where the answer has too few letters to identify its
            language, as names and numbers have; empty without any word.
    """

    language: str | None
    fidelity: Fidelity


def answer_language(answer: str, expected: str) -> AnswerLanguage:
    """Identifies the language of an answer, and whether it is the one wanted.

    Args:
        answer: The answer.
        expected: ISO 639-1 code of the language wanted.
    """
    if not answer.strip():
        return AnswerLanguage(None, "empty")
    found = _finder(tuple(languages.codes())).guess(answer, expected)
    if found is None:
        return AnswerLanguage(None, "unsure")
    return AnswerLanguage(found, "right" if found == expected else "wrong")


@cache
def _finder(codes: tuple[str, ...]) -> LanguageFinder:
    return LanguageFinder([languages.get(code) for code in codes])
