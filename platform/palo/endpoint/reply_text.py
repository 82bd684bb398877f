"""What a model was asked for, found among the words that it puts around it.

Reasoning models think aloud first, chat models wrap JSON in a sentence or a code fence, and some
servers put a byte order mark in front.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

_BLANK = " \t\r\n\ufeff"
_THOUGHT = r"(?:seed:)?(?:think|thinking|thought|thoughts|reasoning)"
_OPENING = re.compile(rf"<\|?{_THOUGHT}\|?>|\[{_THOUGHT}\]|◁think▷", re.IGNORECASE)
_CLOSING = re.compile(rf"<\|?/{_THOUGHT}\|?>|\[/{_THOUGHT}\]|◁/think▷", re.IGNORECASE)
_LAST_CHANNEL = re.compile(r"<\|channel\|>final[^<]{0,40}<\|message\|>")
_ENDS = ("<|return|>", "<|end|>")
_MOST_OBJECTS = 16


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Not strict: models break lines within texts where JSON wants \\n.
_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)


def without_thinking(text: str) -> str:
    """Returns an answer without the reasoning that a model wrote before it.

    Reasoning whose end is missing leaves nothing: the model never came to its answer. An end
    without a beginning counts, too, since some chat templates write the beginning themselves.

    Args:
        text: All that the model wrote.
    """
    answer = text.strip(_BLANK)
    is_open = _OPENING.match(answer) is not None
    *_, end = (0, *(found.end() for found in _CLOSING.finditer(answer)))
    if end:
        answer = answer[end:].strip(_BLANK)
    elif is_open:
        return ""
    *_, last = (0, *(found.end() for found in _LAST_CHANNEL.finditer(answer)))
    if last:
        answer = answer[last:].strip(_BLANK)
        for mark in _ENDS:
            answer = answer.removesuffix(mark).rstrip(_BLANK)
    # Without reasoning the text is as the model wrote it, blanks included.
    return answer if end or last else text.lstrip("\ufeff")


def objects_in(text: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """Returns the different JSON objects in a reply that begin with one of some fields.

    Args:
        text: The reply, 2 MiB at most as replies are read.
        names: Fields, one of which the wanted object begins with.

    Returns:
        The objects of the answer; where it has none, those of the reasoning.
    """
    keys = tuple(names)
    plain = text.strip(_BLANK)
    whole = _object_at(plain, 0)
    if whole is not None and whole[1] == len(plain) and not whole[0].keys().isdisjoint(keys):
        return [whole[0]]
    begins = re.compile(rf'\{{[ \t\r\n]{{0,100}}"(?:{"|".join(map(re.escape, keys))})"')
    answer = without_thinking(text)
    return _objects(answer, begins) or _objects(text, begins)


def _objects(text: str, begins: re.Pattern[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    place = tried = 0
    while (match := begins.search(text, place)) is not None and tried < _MOST_OBJECTS:
        tried += 1
        one = _object_at(text, match.start())
        place = match.end() if one is None else one[1]
        if one is not None and one[0] not in found:
            found.append(one[0])
    return found


def _object_at(text: str, place: int) -> tuple[dict[str, Any], int] | None:
    """Returns the object that begins at a place, and the place behind it; None if none does."""
    if not text.startswith("{", place):
        return None
    try:
        values, end = _DECODER.raw_decode(text, place)
    except (ValueError, RecursionError):
        return None
    return (values, end) if isinstance(values, dict) else None
