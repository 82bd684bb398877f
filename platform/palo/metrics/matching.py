"""Exact and relaxed match with one of some right answers."""

import re
import unicodedata
from collections.abc import Iterable

from palo.text.normal_form import normalized

# Omitted in everyday Arabic and Urdu: vowel signs, and the stretching line.
_OPTIONAL_MARKS = re.compile("[\u0640\u064b-\u0652\u0670]")


def normalised(text: str) -> str:
    """Returns the text in NFC, trimmed, with each run of white space as one space.

    Args:
        text: Any text.
    """
    return " ".join(normalized("NFC", text).split())


def is_match(answer: str, right_answer: str) -> bool:
    """Returns whether an answer is the right one, but for white space and Unicode composition.

    Args:
        answer: The answer.
        right_answer: The right answer.
    """
    return normalised(answer) == normalised(right_answer)


def exact(answer: str, references: Iterable[str]) -> bool:
    """Returns whether an answer is one of the right ones, as `is_match` compares them.

    Args:
        answer: The answer.
        references: All right answers.
    """
    return any(is_match(answer, reference) for reference in references)


def relaxed(answer: str, references: Iterable[str]) -> bool:
    """Returns whether an answer is one of the right ones once both are `folded`.

    Args:
        answer: The answer.
        references: All right answers.
    """
    words = folded(answer)
    return bool(words) and any(words == folded(reference) for reference in references)


def folded(text: str) -> str:
    """Returns a text without differences of writing.

    Case, width, punctuation, white space, the script of digits, and optional marks of Arabic go;
    letters and the vowel signs that Indic scripts need stay.

    Args:
        text: Any text.
    """
    text = _OPTIONAL_MARKS.sub("", normalized("NFKC", text).casefold())
    return " ".join("".join(map(_folded_character, text)).split())


def _folded_character(character: str) -> str:
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if category == "Cf":  # joiners, which stand within words of Indic scripts and Urdu
        return ""
    return " " if category[0] in "PSZC" else character
