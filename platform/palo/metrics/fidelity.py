"""Language fidelity: whether a model answers in the language of the question."""

from functools import cache
from typing import Literal, NamedTuple

from palo import languages
from palo.text.language_of import LanguageFinder, Verdict

Fidelity = Literal["right", "wrong", "unsure", "empty"]


class AnswerLanguage(NamedTuple):
    """The language of an answer.

    Attributes:
        language: ISO 639 code, ISO 15924 code of the script of an unknown language, or None.
        fidelity: right or wrong, as written: romanised Hindi is wrong; unsure where the answer has
            too few letters to say, as names and numbers have, or mixes languages; empty without
            any word.
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
    judgment = _finder(languages.codes()).judge(answer, expected)
    if judgment.is_wrong:
        return AnswerLanguage(judgment.found, "wrong")
    if judgment.verdict is Verdict.RIGHT:
        return AnswerLanguage(expected, "right")
    return AnswerLanguage(None, "unsure")


@cache
def _finder(codes: tuple[str, ...]) -> LanguageFinder:
    return LanguageFinder([languages.get(code) for code in codes])
