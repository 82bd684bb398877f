"""Exact and relaxed match with one of some right answers."""

import re
import unicodedata
from collections.abc import Iterable

from palo.text.normal_form import normalized

# What Arabic and Urdu leave out in everyday writing: vowel signs, and the stretching line.
_OPTIONAL_MARKS = re.compile("[\u0640\u064b-\u0652\u0670]")


def normalised(text: str) -> str:
    """Returns the text in NFC, trimmed, with each run of white space as one space."""
    return " ".join(normalized("NFC", text).split())


def is_match(answer: str, right_answer: str) -> bool:
    """Tells whether an answer is the right one; case and punctuation count, white space doesn't."""
    return normalised(answer) == normalised(right_answer)


def exact(answer: str, references: Iterable[str]) -> bool:
    """Tells whether an answer is one of the right ones; case and punctuation count."""
    return any(is_match(answer, reference) for reference in references)


def relaxed(answer: str, references: Iterable[str]) -> bool:
    """Tells whether an answer is one of the right ones but for what `folded` forgives."""
    words = folded(answer)
    return bool(words) and any(words == folded(reference) for reference in references)


def folded(text: str) -> str:
    """Returns a text without what different writers write differently.

    Case, width, punctuation, white space, the script of digits, and optional marks of Arabic go;
    letters and the vowel signs that Indic scripts need stay.
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
