"""One row of a corpus as a card in a page."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from palo.corpus.report.items import ShownSample, turns_of
from palo.corpus.report.shards import Dropped
from palo.data.records import Record
from palo.html.page import Templates, language_label

TEMPLATES = Templates(Path(__file__).parent / "templates")
"""The templates of the report's sections."""

_MOST_CHARACTERS = 4000
_PLACE = "<image>\n"
# A character of a script without spaces between words, or a word, or the space between two.
_PIECE = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+|\s+")
Pieces = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CardPart:
    """A text on a card.

    Attributes:
        pieces: The text in pieces, each with the element that marks it: "del", "ins", or none.
        tag: The words above it.
        kind: CSS classes.
    """

    pieces: Pieces
    tag: str = ""
    kind: str = "part"


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A row as the template shows it.

    Attributes:
        name: Its name, as `find` takes it.
        language: ISO code of its texts.
        parts: Its texts.
        facts: Further facts about it.
        reason: Why it was left out, if it was.
        image: Its image as a data URI.
        no_image: Text in the place of a missing image.
    """

    name: str
    language: str
    parts: tuple[CardPart, ...]
    facts: str
    reason: str = ""
    image: str | None = None
    no_image: str = ""


def sample_card(item: ShownSample, image: str | None) -> Card:
    """Returns a sample as the model sees it: the image, and which tokens are trained.

    Args:
        item: The sample.
        image: Its preprocessed image as a URI; None where it has none, or none can be shown.
    """
    sample = item.sample
    num_trained = sum(part.num_tokens for part in item.parts if part.is_trained)
    parts = (
        CardPart(
            pieces=_plain(part.text.strip("\n")),
            tag=f"{'trained' if part.is_trained else 'read'} · {_tokens(part.num_tokens)}",
            kind="part trained" if part.is_trained else "part",
        )
        for part in item.parts
    )
    missing = f"image not found: {item.image or 'no path'}" if sample.image_id else "text only"
    return Card(
        name=sample.sample_id,
        language=sample.language,
        parts=tuple(parts),
        facts=f"{_tokens(len(sample.input_ids))}, {num_trained:,} trained",
        image=image,
        no_image=missing,
    )


def record_card(record: Record) -> Card:
    """Returns a record's turns as a card.

    Args:
        record: The record.
    """
    return Card(
        name=record.record_id,
        language=record.language,
        parts=tuple(_turn(turn.role, _plain(turn.text)) for turn in record.turns),
        facts=record.image or "text only",
    )


def dropped_card(row: Dropped, reason: str | None = None) -> Card:
    """Returns a row that was left out, and why.

    Args:
        row: The row.
        reason: The text to show instead of its reason.
    """
    turns = [_turn(role, _plain(text)) for role, text in turns_of(row.parsed() or {})]
    return _card_of_dropped(row, reason or reason_of(row), turns)


def near_duplicate_card(first: Record | None, row: Dropped) -> Card:
    """Returns a near duplicate as a card, with its differences from the first record marked.

    Args:
        first: The record that stays; None where it can't be found.
        row: The one that was left out.
    """
    turns = turns_of(row.parsed() or {})
    if first is None or len(first.turns) != len(turns):
        return dropped_card(row, "left out")
    pairs = [
        (turn.text, role, text.removeprefix(_PLACE) if turn.num_images else text)
        for turn, (role, text) in zip(first.turns, turns, strict=True)
    ]
    if any(len(text) > _MOST_CHARACTERS for pair in pairs for text in pair):
        return dropped_card(row, "left out")
    marked = [_turn(role, tuple(_changes(before, after))) for before, role, after in pairs]
    return _card_of_dropped(row, "left out", marked)


def cards_html(cards: Sequence[Card]) -> Markup:
    """Returns cards side by side, as far as there is room.

    Args:
        cards: The cards.
    """
    return TEMPLATES.macro("grid", cards, file="cards.html")


def reason_of(row: Dropped) -> str:
    """Returns why a row was left out, with what was seen.

    Args:
        row: The row.
    """
    return f"{row.reason}: {row.detail}" if row.detail else row.reason


def _card_of_dropped(row: Dropped, reason: str, turns: Sequence[CardPart]) -> Card:
    """Returns a card for a row that was left out; without turns, the row as it was read."""
    return Card(
        name=row.name,
        language=row.language,
        parts=tuple(turns) or (CardPart(pieces=_plain(row.text), kind="part raw"),),
        facts=language_label(row.language) + f", {row.step}",
        reason=reason,
    )


def _turn(role: str, pieces: Pieces) -> CardPart:
    return CardPart(pieces=pieces, tag=role, kind="part trained" if role == "assistant" else "part")


def _plain(text: str) -> Pieces:
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]} … ({len(text):,} characters)"
    return (("", text),)


def _changes(before: str, after: str) -> Iterator[tuple[str, str]]:
    old, new = _PIECE.findall(before), _PIECE.findall(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            yield "del", "".join(old[start:end])
        if kind != "delete":
            yield "" if kind == "equal" else "ins", "".join(new[new_start:new_end])


def _tokens(count: int) -> str:
    return f"{count:,} token{'' if count == 1 else 's'}"
