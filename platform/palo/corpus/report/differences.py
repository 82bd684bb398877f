"""What a near duplicate says otherwise than the record that stays."""

import difflib
import re
from collections.abc import Sequence

from palo import languages
from palo.corpus.report.cards import card_of_turns, dropped_card
from palo.corpus.report.items import turns_of
from palo.corpus.report.shards import Dropped
from palo.data.records import Record
from palo.html.markup import Markup, element, joined
from palo.terminal import visible

_PLACE = "<image>\n"
_MOST_CHARACTERS = 4000
# A character of a script that doesn't part words, or a word, or what parts them.
_PIECE = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+|\s+")


def marked(first: Record | None, row: Dropped) -> Markup:
    """Returns a near duplicate as a card, with what differs from the first record marked.

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
    lang = row.language if languages.known(row.language) else None
    shown = [
        (role, element("div", _changes(before, after), class_="words", lang=lang, dir="auto"))
        for before, role, after in pairs
    ]
    return card_of_turns("left out", shown, row)


def _changes(before: str, after: str) -> Markup:
    old, new = _PIECE.findall(before), _PIECE.findall(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    parts: list[Markup] = []
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            parts.append(_mark("del", old[start:end]))
        if kind != "delete":
            text = new[new_start:new_end]
            parts.append(Markup.text(_said(text)) if kind == "equal" else _mark("ins", text))
    return joined(*parts)


def _mark(name: str, pieces: Sequence[str]) -> Markup:
    return element(name, _said(pieces))


def _said(pieces: Sequence[str]) -> str:
    return visible("".join(pieces))
