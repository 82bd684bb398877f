"""The turns of a row: roles, texts, the place of the image, and limits of their length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from palo.data.bad_row import BadRow, is_writable
from palo.data.image_markup import (
    PLACE,
    has_sign,
    stands_for_an_image,
    unread_markup,
    with_places,
)
from palo.data.layouts import RowTurns
from palo.reasons import Reason
from palo.text.messages import Turn

MAX_TURN_CHARACTERS = 1 << 17
"""Longest turn; a template keeps a few thousand tokens, and every stage takes time for each."""
MAX_CHARACTERS = 1 << 19
"""Longest conversation."""
MAX_TURNS = 1 << 12
"""Most turns of a conversation."""

_Role = Literal["user", "assistant"]
_Said = tuple[_Role, str]
_ROLES: dict[str, _Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image", "image_url", "input_image")


@dataclass(frozen=True, kw_only=True, slots=True)
class SaidTurns:
    """The turns of a row with the places of its image, before it is known whether there is one.

    Attributes:
        turns: Roles and texts; an image's place in a text is `<image>`.
        named: Images that the turns themselves name: paths, or what a part has in their place.
        unread: Markup of an image that is not read; None without any.
        system: The system text; None without one.
    """

    turns: Sequence[_Said]
    named: tuple[object, ...]
    unread: str | None
    system: str | None


def said_turns(found: RowTurns, caption_question: str) -> SaidTurns:
    """Checks the turns of a row.

    Args:
        found: The turns, from `row_turns`.
        caption_question: The user's words before a caption.

    Raises:
        BadRow: If they are no conversation, or too long.
    """
    if len(found.turns) > MAX_TURNS:
        raise BadRow(Reason.TOO_LONG, f"{len(found.turns)} turns")
    if found.is_caption:
        question = {"role": "user", "content": f"{PLACE}\n{caption_question}"}
        found = RowTurns(layout=found.layout, turns=[question, *found.turns[1:]])
    reader = _TurnReader()
    turns = [reader.read(value) for value in found.turns]
    system = _system(found.system)
    num_characters = sum(len(text) for _, text in turns) + len(system or "")
    if num_characters > MAX_CHARACTERS:
        raise BadRow(Reason.TOO_LONG, f"{num_characters} characters")
    for index, (role, _) in enumerate(turns):
        if role != ("user", "assistant")[index % 2]:
            raise BadRow(Reason.NOT_ALTERNATING, f"turn {index} is the {role}'s")
    if not turns or len(turns) % 2:
        raise BadRow(Reason.NO_ANSWER)
    return SaidTurns(
        turns=turns, named=tuple(reader.named), unread=reader.unread, system=system or None
    )


def placed_turns(
    said: SaidTurns, *, has_image: bool, place: Literal["first", "marked"] = "first"
) -> tuple[Turn, ...]:
    """Gives the image its place.

    Args:
        said: The turns.
        has_image: Whether the row has an image.
        place: Where an image without `<image>` goes: before the first question, or nowhere, which
            makes the row bad.

    Raises:
        BadRow: If the image has no place or several, or there is a place and no image.
    """
    counts = [text.count(PLACE) for _, text in said.turns]
    if any(counts[1::2]):
        raise BadRow(Reason.PLACE_IN_ANSWER)
    num_places = sum(counts)
    if num_places > 1:
        raise BadRow(Reason.TWO_PLACES, num_places)
    if num_places and not has_image:
        raise BadRow(Reason.PLACE_WITHOUT_IMAGE, "no key of the row names an image, as image does")
    if has_image and not num_places:
        if place == "marked":
            raise BadRow(Reason.IMAGE_WITHOUT_PLACE)
        counts[0] = 1
    if said.unread is not None and not has_image:
        raise BadRow(Reason.IMAGE_NOT_READ, f"{said.unread!r} in a turn; name it under image")
    return tuple(
        Turn(role, text.replace(PLACE, "").strip(), 1) if count else Turn(role, text)
        for (role, text), count in zip(said.turns, counts, strict=True)
    )


def _system(value: object) -> str | None:
    if value is None:
        return None
    text = _checked_text(value, "the system text")
    if PLACE in text or stands_for_an_image(text):
        raise BadRow(Reason.IMAGE_NOT_READ, "in the system text; it must be in a user's turn")
    return None if text.isspace() else text


class _TurnReader:
    """Reads turns one by one, and gathers the images that they name.

    Attributes:
        named: Images that turns name.
        unread: The first markup of an image that is not read.
    """

    def __init__(self) -> None:
        self.named: list[object] = []
        self.unread: str | None = None

    def read(self, value: object) -> _Said:
        if not isinstance(value, dict):
            raise BadRow(Reason.NO_TURNS, f"a turn is {type(value).__name__}")
        role = _role(value)
        text = value.get("value", value.get("content", value.get("text")))
        if isinstance(text, dict):
            text = [text]
        if isinstance(text, list):
            text = "\n".join(map(self._part, text))
        text = _checked_text(text, "a turn")
        if not text or text.isspace():
            raise BadRow(Reason.EMPTY_TURN)
        if has_sign(text):
            text = self._without_markup(role, text)
        return role, text

    def _without_markup(self, role: _Role, text: str) -> str:
        if role == "assistant":
            if stands_for_an_image(text):
                raise BadRow(Reason.PLACE_IN_ANSWER)
            return text
        text, named = with_places(text)
        self.named += named
        self.unread = self.unread or unread_markup(text)
        return text

    def _part(self, part: object) -> str:
        """Returns a part of a turn as text."""
        if isinstance(part, str):
            return part
        if not isinstance(part, dict):
            raise BadRow(Reason.NOT_TEXT, f"a part is {type(part).__name__}")
        kind = part.get("type")
        if kind is None:  # Qwen-VL's parts have no type
            kind = next((name for name in ("text", *_IMAGE_PARTS) if part.get(name)), None)
        if kind in _IMAGE_PARTS:
            values = (part.get(name) for name in ("image", "image_url", "url", "path"))
            self.named += [value for value in values if value][:1]
            return PLACE
        text = part.get("text")
        if kind not in _TEXT_PARTS or not isinstance(text, str):
            raise BadRow(Reason.NOT_TEXT, f"a part is {kind}")
        return text


def _role(turn: dict[str, object]) -> _Role:
    speaker = turn.get("from", turn.get("role"))
    role = _ROLES.get(speaker.lower()) if isinstance(speaker, str) else None
    if role is None:
        raise BadRow(
            Reason.WRONG_ROLE, f"{speaker!r:.80}; expected user or assistant, human or gpt"
        )
    return role


def _checked_text(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise BadRow(Reason.NOT_TEXT, f"{what} is {type(text).__name__}")
    if len(text) > MAX_TURN_CHARACTERS:
        raise BadRow(Reason.TURN_TOO_LONG, f"{len(text)} characters")
    if not is_writable(text):
        raise BadRow(Reason.NOT_TEXT, "half a surrogate pair")
    return text
