"""Degeneration: answers that repeat themselves, refuse, or break off."""

import re
from itertools import islice
from typing import Literal

from palo import languages

_LENGTH = 4
_FEWEST = 12
_REPETITIVE = 0.5
_MOST = 50_000
"""Later words are ignored, which bounds the time that a hostile answer costs."""
_SHORT = 40
_BEGINNING = 160

# Han, kana and Thai are written without spaces: each of their characters counts as a word.
_UNIT = re.compile(
    r"[\u0e00-\u0e7f\u3041-\u30ff\u3400-\u9fff]|[^\s\u0e00-\u0e7f\u3041-\u30ff\u3400-\u9fff]+"
)
_CLOSING = "!…)]}»”\"'’」』*`>|:：！）"
_REFUSALS = re.compile(
    "|".join(
        (
            r"\bi(?:'|’)?m sorry\b",
            r"\bi (?:am sorry|cannot|can(?:'|’)t|am unable|am not able)\b",
            r"\bas an ai\b",
            r"\blo siento\b",
            r"\bno (?:puedo|me es posible)\b",
            r"\bje suis désolé",
            r"\bje ne (?:peux pas|suis pas (?:en mesure|capable))\b",
            r"\b(?:извините|простите|к сожалению, я не|я не могу)\b",
            "抱歉|对不起|我无法|我不能",
            "申し訳|すみません|お答えできません|できかねます",
            "عذر[ًا]+|آسف|لا أستطيع|لا يمكنني",
            "क्षमा करें|माफ़ करें|मैं .{0,60}नहीं (?:कर|दे|देख|बता) सक",
            "দুঃখিত|আমি .{0,60}(?:পারি না|পারছি না)",
            "معذرت|معاف کیج|میں .{0,60}نہیں (?:کر|دے|دیکھ|بتا) سک",
        )
    ),
    re.IGNORECASE,
)


def repetition(text: str) -> float:
    """Returns the share of an answer's four-word sequences that occurred in it before.

    Characters of scripts without spaces count as words.

    Args:
        text: The answer.

    Returns:
        From 0 to 1; 0.0 for answers too short to repeat themselves.
    """
    units = [unit[0] for unit in islice(_UNIT.finditer(text.casefold()), _MOST)]
    sequences = [tuple(units[i : i + _LENGTH]) for i in range(len(units) - _LENGTH + 1)]
    if len(sequences) < _FEWEST:
        return 0.0
    return 1 - len(set(sequences)) / len(sequences)


def repeats_itself(text: str) -> bool:
    """Returns whether at least half of an answer is repetition.

    Args:
        text: The answer.
    """
    return repetition(text) >= _REPETITIVE


def refuses(text: str) -> bool:
    """Returns whether an answer begins with an apology or a refusal, in any language.

    Args:
        text: The answer.
    """
    return bool(_REFUSALS.search(text[:_BEGINNING]))


def is_cut_off(text: str, finish_reason: Literal["stop", "length", "filtered", "unknown"]) -> bool:
    """Returns whether an answer broke off: by its finish reason, else by its last character.

    Args:
        text: The answer.
        finish_reason: As its engine reports it.
    """
    if finish_reason != "unknown":
        return finish_reason in ("length", "filtered")
    text = text.rstrip()
    return len(text) >= _SHORT and text[-1] not in _endings()


def _endings() -> str:
    known = languages.every()
    return _CLOSING + "".join(f"{one.full_stop}{one.question_mark}" for one in known)
