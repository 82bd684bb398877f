"""Reads a judge's replies: strictly, since a guessed score is worse than none."""

import re
from enum import StrEnum
from typing import NamedTuple

from palo.endpoint.replies import Reply
from palo.endpoint.reply_text import objects_in, without_thinking
from palo.evaluate.judging.requests import HIGHEST, LOWEST, Form

_FIELDS = ("first", "second", "reason")
_TWO_NUMBERS = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ ,]+([0-9]+(?:\.[0-9]+)?)")


class JudgeVerdict(NamedTuple):
    """The verdict of a judge: two scores.

    Attributes:
        first: Score of the first answer.
        second: Score of the other.
        reason: The judge's reason.
    """

    first: float
    second: float
    reason: str


class JudgeFault(StrEnum):
    """Why a judge's reply is no verdict."""

    EMPTY = "empty"
    CUT_OFF = "cut off"
    NOT_THE_FORM = "not in the form asked for"
    OUT_OF_RANGE = "score out of range"
    REFUSED = "the judge refused to answer"


def read_verdict(reply: Reply, form: Form) -> JudgeVerdict | JudgeFault:
    """Reads a judge's reply.

    Reasoning, a sentence or a code fence around the verdict are no part of it. Two verdicts that
    differ are none: a judge may quote one that an answer holds.

    Args:
        reply: The reply.
        form: The form that was requested.
    """
    # Some servers take an answer without reasoning for reasoning without an answer.
    text = reply.text if reply.text.strip() or reply.finish_reason != "stop" else reply.reasoning
    if reply.finish_reason == "length":
        return JudgeFault.CUT_OFF
    if not text.strip():
        refused = reply.refusal.strip() or reply.finish_reason == "filtered"
        return JudgeFault.REFUSED if refused else JudgeFault.EMPTY
    return _from_json(text) if form == "json" else _from_lines(text)


def _from_json(text: str) -> JudgeVerdict | JudgeFault:
    found = objects_in(text, _FIELDS)
    if len(found) != 1 or set(found[0]) != set(_FIELDS):
        return JudgeFault.NOT_THE_FORM
    (values,) = found
    scores = [values["first"], values["second"]]
    if any(isinstance(score, bool) or not isinstance(score, int | float) for score in scores):
        return JudgeFault.NOT_THE_FORM
    reason = values["reason"]
    # Half of a surrogate pair is JSON, but no text that a file can hold.
    if not isinstance(reason, str) or any("\ud800" <= letter <= "\udfff" for letter in reason):
        return JudgeFault.NOT_THE_FORM
    if not all(LOWEST <= score <= HIGHEST for score in scores):
        return JudgeFault.OUT_OF_RANGE  # also of what is too large for a float
    return JudgeVerdict(float(scores[0]), float(scores[1]), reason)


def _from_lines(text: str) -> JudgeVerdict | JudgeFault:
    lines = without_thinking(text).strip().removeprefix("```").strip().splitlines()
    pairs = {
        number: (float(match[1]), float(match[2]))
        for number, line in enumerate(lines)
        if (match := _TWO_NUMBERS.fullmatch(line.strip())) is not None
    }
    if len(set(pairs.values())) != 1:
        return JudgeFault.NOT_THE_FORM
    number, (first, second) = next(iter(pairs.items()))
    if not (LOWEST <= first <= HIGHEST and LOWEST <= second <= HIGHEST):
        return JudgeFault.OUT_OF_RANGE
    return JudgeVerdict(first, second, "\n".join(lines[number + 1 :]).strip())
