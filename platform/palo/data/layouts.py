"""Layouts of rows: under which keys a row has its turns.

Tools write the same conversation in many ways. Each is brought into one form here: a list of turns
with a role and a content. A row in none of them is bad, with words that name its keys.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

from palo.data.bad_row import BadRow
from palo.reasons import Reason

Row = Mapping[str, object]

TURN_KEYS = ("conversations", "messages", "conversation", "texts")
"""Keys of a list of turns: LLaVA's, the chat format's, and The Cauldron's."""
PAIR_KEYS = (
    ("query", "response"),
    ("question", "answer"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "output"),
)
"""Keys of a question and its answer."""
CAPTION_KEYS = ("caption", "captions", "text", "description")
"""Keys of an image's caption."""
OTHER_KEYS = ("input", "history", "system")
"""Keys that go with the others."""
EXPECTED = "conversations of {from, value}, messages of {role, content}, query and response, " + (
    "or image and caption"
)
"""What a row needs, for messages."""

_SHOWN = 70
_SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True, kw_only=True, slots=True)
class RowTurns:
    """The turns of a row, in one form whatever its layout.

    Attributes:
        layout: Name of the layout, for people.
        turns: Turns of (from, value) or (role, content), not checked yet.
        system: The system text, not checked yet; None without one.
        is_caption: Whether they are an image's caption, without a question of its own.
    """

    layout: str
    turns: Sequence[object]
    system: object = None
    is_caption: bool = False


def keys_of(row: Row) -> str:
    """Returns the keys of a row, for messages.

    Args:
        row: The row.
    """
    names = ", ".join(str(key)[:_SHOWN] for key in list(row)[:_SHOWN]) or "no keys"
    return f"the row has {names if len(names) <= _SHOWN else names[: _SHOWN - 3] + '...'}"


def is_row(keys: Container[str]) -> bool:
    """Returns whether something with these keys may be a row.

    Args:
        keys: The keys.
    """
    pairs = ((asked, answered) for asked, answered in PAIR_KEYS)
    return any(key in keys for key in TURN_KEYS) or any(a in keys and b in keys for a, b in pairs)


def row_turns(row: Row) -> RowTurns:
    """Finds the turns of a row.

    Args:
        row: The row.

    Raises:
        BadRow: If it is in no known layout.
    """
    for find in _FINDERS:
        found = find(row)
        if found is not None:
            return found
    raise BadRow(Reason.NO_TURNS, f"{keys_of(row)}; expected: {EXPECTED}")


def _listed(row: Row) -> RowTurns | None:
    key = next((key for key in TURN_KEYS if row.get(key) is not None), None)
    if key is None:
        return None
    value = row[key]
    if not isinstance(value, list):
        raise BadRow(Reason.NO_TURNS, f"{key} is {type(value).__name__}, expected a list of turns")
    if not value:
        raise BadRow(Reason.NO_TURNS, f"{key} is empty")
    turns: list[object] = []
    for turn in value:
        turns += _both(turn) or [turn]
    system = row.get("system") or None
    if (own := _system_of(turns[0])) is not None:
        if system is not None and system != own:
            raise BadRow(Reason.WRONG_ROLE, "a system key and another system turn")
        return RowTurns(layout=key, turns=turns[1:], system=own)
    return RowTurns(layout=key, turns=turns, system=system)


def _both(turn: object) -> list[object] | None:
    """Returns question and answer of an element that holds both; None if it is one turn."""
    if isinstance(turn, list) and len(turn) == 2 and all(isinstance(text, str) for text in turn):
        return _pair(*turn)
    if isinstance(turn, dict) and "user" in turn and "assistant" in turn:
        return _pair(turn["user"], turn["assistant"])
    return None


def _system_of(turn: object) -> object:
    if not isinstance(turn, dict) or turn.get("from", turn.get("role")) not in _SYSTEM_ROLES:
        return None
    content = turn.get("value", turn.get("content"))
    if isinstance(content, list):  # of parts, as OpenAI has them
        texts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "\n".join(text if isinstance(text, str) else "" for text in texts)
    return content if content is not None else ""


def _paired(row: Row) -> RowTurns | None:
    for asked, answered in PAIR_KEYS:
        if row.get(asked) is None or row.get(answered) is None:
            continue
        question = row[asked]
        more = row.get("input") if asked == "instruction" else None
        if isinstance(question, str) and isinstance(more, str) and more:
            question = f"{question}\n{more}"
        turns = [*_history(row), *_pair(question, row[answered])]
        return RowTurns(
            layout=f"{asked} and {answered}", turns=turns, system=row.get("system") or None
        )
    return None


def _history(row: Row) -> list[object]:
    """Returns the earlier rounds of a row, as ms-swift and LLaMA-Factory write them."""
    history = row.get("history") or []
    if not isinstance(history, list):
        raise BadRow(Reason.NO_TURNS, f"history is {type(history).__name__}, expected pairs")
    turns: list[object] = []
    for round_ in history:
        pair = _both(round_)
        if pair is None:
            raise BadRow(Reason.NO_TURNS, "history must hold pairs of a question and its answer")
        turns += pair
    return turns


def _captioned(row: Row) -> RowTurns | None:
    key = next((key for key in CAPTION_KEYS if row.get(key) is not None), None)
    if key is None:
        return None
    caption = row[key]
    if isinstance(caption, list):
        if len(caption) != 1:
            raise BadRow(Reason.NO_TURNS, f"{key} has {len(caption)} texts; write a row for each")
        caption = caption[0]
    return RowTurns(layout=f"image and {key}", turns=_pair("", caption), is_caption=True)


def _pair(question: object, answer: object) -> list[object]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


_FINDERS: tuple[Callable[[Row], RowTurns | None], ...] = (_listed, _paired, _captioned)
