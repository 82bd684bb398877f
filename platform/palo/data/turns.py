"""The turns of a row: roles, texts, the place of the image, and limits of their length."""

from collections.abc import Sequence
from typing import Literal

from palo.reasons import Reason
from palo.text.messages import Turn

MAX_TURN_CHARACTERS = 1 << 17
"""Longest turn; a template keeps a few thousand tokens, and every stage takes time for each."""
MAX_CHARACTERS = 1 << 19
"""Longest conversation."""
MAX_TURNS = 1 << 12
"""Most turns of a conversation."""

PLACE = "<image>"

_Said = tuple[Literal["user", "assistant"], str]
_ROLES: dict[str, Literal["user", "assistant"]] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}


class BadRow(Exception):  # noqa: N818 - control flow of parsing
    """A row is no record.

    Args:
        reason: Why.
        detail: What was seen.
    """

    def __init__(self, reason: Reason, detail: object = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = writable(str(detail)[:200])


def writable(text: str) -> str:
    """Returns a text without lone surrogates, which JSON can hold and UTF-8 can't.

    Args:
        text: The text.
    """
    return text.encode(errors="replace").decode()


def is_writable(text: str) -> bool:
    """Returns whether UTF-8 can hold a text.

    Args:
        text: The text.
    """
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def turns_of(conversations: object, *, has_image: bool) -> tuple[Turn, ...]:
    """Returns the turns of a row.

    Args:
        conversations: The value of its field of this name.
        has_image: Whether the row has an image.

    Raises:
        BadRow: If they are no conversation, are too long, or don't give the image one place.
    """
    return _place_image(_turns(conversations), has_image=has_image)


def _turns(conversations: object) -> list[_Said]:
    if not isinstance(conversations, list) or not conversations:
        raise BadRow(Reason.NO_TURNS)
    if len(conversations) > MAX_TURNS:
        raise BadRow(Reason.TOO_LONG, f"{len(conversations)} turns")
    turns = [_turn(value) for value in conversations]
    num_characters = sum(len(text) for _, text in turns)
    if num_characters > MAX_CHARACTERS:
        raise BadRow(Reason.TOO_LONG, f"{num_characters} characters")
    for index, (role, _) in enumerate(turns):
        if role != ("user", "assistant")[index % 2]:
            raise BadRow(Reason.NOT_ALTERNATING, f"turn {index} is the {role}'s")
    if len(turns) % 2:
        raise BadRow(Reason.NO_ANSWER)
    return turns


def _turn(value: object) -> _Said:
    if not isinstance(value, dict):
        raise BadRow(Reason.NO_TURNS, f"a turn is {type(value).__name__}")
    speaker = value.get("from", value.get("role"))
    text = value.get("value", value.get("content"))
    if isinstance(text, list):
        text = "\n".join(map(_part, text))
    if not isinstance(speaker, str) or speaker not in _ROLES:
        raise BadRow(Reason.WRONG_ROLE, speaker)
    if not isinstance(text, str):
        raise BadRow(Reason.NOT_TEXT, type(text).__name__)
    if len(text) > MAX_TURN_CHARACTERS:
        raise BadRow(Reason.TURN_TOO_LONG, f"{len(text)} characters")
    if not text or text.isspace():
        raise BadRow(Reason.EMPTY_TURN)
    if not is_writable(text):
        raise BadRow(Reason.NOT_TEXT, "half a surrogate pair")
    return _ROLES[speaker], text


def _part(part: object) -> str:
    """Returns a part of a turn as text."""
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    text = part.get("text") if isinstance(part, dict) else None
    if kind == "image":
        return PLACE
    if kind != "text" or not isinstance(text, str):
        raise BadRow(Reason.NOT_TEXT, f"a part is {kind}")
    return text


def _place_image(turns: Sequence[_Said], *, has_image: bool) -> tuple[Turn, ...]:
    counts = [text.count(PLACE) for _, text in turns]
    if any(counts[1::2]):
        raise BadRow(Reason.PLACE_IN_ANSWER)
    num_places = sum(counts)
    if num_places > 1:
        raise BadRow(Reason.TWO_PLACES, num_places)
    if num_places and not has_image:
        raise BadRow(Reason.PLACE_WITHOUT_IMAGE)
    if has_image and not num_places:
        raise BadRow(Reason.IMAGE_WITHOUT_PLACE)
    return tuple(
        Turn(role, text.replace(PLACE, "").strip(), 1) if count else Turn(role, text)
        for (role, text), count in zip(turns, counts, strict=True)
    )
