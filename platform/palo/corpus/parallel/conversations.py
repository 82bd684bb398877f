"""Conversations of parallel text: what a user asks for, and the text that answers."""

import re
import unicodedata
from typing import Any

from palo.corpus.parallel.phrases import continuation_wish, translation_wish

_SPACE = re.compile(r"\s")
_FEWEST = 16  # characters of a text that is cut in two
_JOINERS = "\u200c\u200d"
_BEHIND = 3  # a text is cut behind a third of it


def translation_row(row_id: str, source: str, target: str, language: str) -> dict[str, Any]:
    """Returns the row of a translation, in LLaVA's format.

    Args:
        row_id: Its id, which also decides how the translation is asked for.
        source: The text to translate.
        target: The translation.
        language: ISO 639-1 code of the translation.
    """
    return _row(row_id, language, f"{translation_wish(language, row_id)}\n{source}", target)


def continuation_row(row_id: str, text: str, language: str) -> dict[str, Any] | None:
    """Returns the row of a text whose beginning is given; None of one that is too short.

    Args:
        row_id: Its id, which also decides how it is asked for.
        text: The text.
        language: ISO 639-1 code of its language.
    """
    cut = _cut(text) if len(text) >= _FEWEST else 0
    begun, rest = text[:cut].rstrip(), text[cut:].lstrip()
    if not begun or not rest:
        return None
    return _row(row_id, language, f"{continuation_wish(language, row_id)}\n{begun}", rest)


def _cut(text: str) -> int:
    """Returns where to cut a text: between words, or where there are none between letters."""
    start = len(text) // _BEHIND
    if (space := _SPACE.search(text, start, 2 * start)) is not None:
        return space.start()
    while start < len(text) and _belongs(text[start - 1], text[start]):
        start += 1
    return start


def _belongs(before: str, letter: str) -> bool:
    """Returns whether a character can't begin a text: marks, and what joiners hold together."""
    return unicodedata.category(letter)[0] == "M" or letter in _JOINERS or before in _JOINERS


def _row(row_id: str, language: str, question: str, answer: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"id": row_id, "language": language, "conversations": turns}
