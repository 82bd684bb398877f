"""Parses the replies of translators."""

import json
from collections.abc import Sequence

from palo.endpoint.replies import Reply
from palo.endpoint.reply_text import objects_in, without_thinking

_TURNS = "turns"
_SHOWN = 60


class BadReplyError(Exception):
    """A reply that is no translation of the conversation; its text is a sentence for a retry."""


def write_turns(texts: Sequence[str]) -> str:
    """Returns the reply of a perfect translator.

    Args:
        texts: The translated turns.
    """
    return json.dumps({_TURNS: list(texts)}, ensure_ascii=False)


def read_turns(reply: Reply, count: int) -> tuple[str, ...]:
    """Returns the turns of a reply.

    Args:
        reply: The translator's reply.
        count: Expected number of turns.

    Raises:
        BadReplyError: If there are none, too many or too few, or some are empty.
    """
    # Some servers take an answer without reasoning for reasoning without an answer.
    text = reply.text if reply.text.strip() or reply.finish_reason != "stop" else reply.reasoning
    if not text.strip():
        raise BadReplyError(_why_empty(reply))
    if reply.finish_reason == "length":
        raise BadReplyError("The reply was cut off before its end.")
    found = objects_in(text, [_TURNS])
    if not found:
        shown = without_thinking(text)[:_SHOWN] or "reasoning alone"
        raise BadReplyError(f"The reply was not the JSON object that was asked for, but: {shown}")
    if len(found) > 1:
        raise BadReplyError(f"The reply had {len(found)} different JSON objects instead of one.")
    return _checked(found[0].get(_TURNS), count)


def _why_empty(reply: Reply) -> str:
    if reply.refusal.strip():
        return f"The model refused: {reply.refusal[:_SHOWN]}"
    if reply.finish_reason == "length":
        return "The reply was cut off before its answer began; all its tokens went into reasoning."
    return "The reply was reasoning alone." if reply.reasoning.strip() else "The reply was empty."


def _checked(turns: object, count: int) -> tuple[str, ...]:
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
