"""Parses the replies of translators."""

import json
import re
from collections.abc import Sequence

_FENCE = re.compile(r"\A```\w*\n(.*)\n```\Z", re.DOTALL)
_SHOWN = 60


class BadReplyError(Exception):
    """A reply that is no translation of the conversation; its text is a sentence for a retry."""


def write_turns(texts: Sequence[str]) -> str:
    """Returns the reply of a perfect translator.

    Args:
        texts: The translated turns.
    """
    return json.dumps({"turns": list(texts)}, ensure_ascii=False)


def read_turns(reply: str, count: int, *, is_cut: bool = False) -> tuple[str, ...]:
    """Returns the turns of a reply.

    Args:
        reply: The translator's reply.
        count: Expected number of turns.
        is_cut: Whether the reply ended for its length.

    Raises:
        BadReplyError: If there are none, too many or too few, or some are empty.
    """
    if not reply.strip():
        raise BadReplyError("The reply was empty.")
    if is_cut:
        raise BadReplyError("The reply was cut off before its end.")
    fenced = _FENCE.match(reply.strip())
    try:
        values = json.loads(fenced[1] if fenced else reply)
    except (ValueError, RecursionError):
        raise BadReplyError(
            f"The reply was not the JSON object that was asked for, but: {reply[:_SHOWN]}"
        ) from None
    turns = values.get("turns") if isinstance(values, dict) else None
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        raise BadReplyError('The reply had no list of texts called "turns".')
    if len(turns) != count:
        raise BadReplyError(f"The reply had {len(turns)} turns instead of {count}.")
    for number, turn in enumerate(turns):
        if not turn.strip():
            raise BadReplyError(f"Turn {number + 1} of the reply was empty.")
        if any("\ud800" <= letter <= "\udfff" for letter in turn):
            raise BadReplyError(f"Turn {number + 1} of the reply held a broken character.")
    return tuple(turns)
