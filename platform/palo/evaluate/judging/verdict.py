"""Reads a judge's replies: strictly, since a guessed score is worse than none."""

import re
from enum import StrEnum
from typing import NamedTuple

from palo.endpoint.replies import MAX_REPLY_BYTES, Reply, parse_json
from palo.evaluate.judging.requests import HIGHEST, LOWEST, Form

_FIELDS = {"first", "second", "reason"}
_FENCES = ("```", "```json")
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


def read_verdict(reply: Reply, form: Form) -> JudgeVerdict | JudgeFault:
    """Reads a judge's reply.

    Args:
        reply: The reply.
        form: The form that was requested.
    """
    if not reply.text.strip():
        return JudgeFault.EMPTY
    if reply.finish_reason == "length":
        return JudgeFault.CUT_OFF
    found = _from_json(reply.text) if form == "json" else _from_lines(reply.text)
    if isinstance(found, JudgeVerdict) and not all(
        LOWEST <= score <= HIGHEST for score in (found.first, found.second)
    ):
        return JudgeFault.OUT_OF_RANGE
    return found


def _from_json(text: str) -> JudgeVerdict | JudgeFault:
    try:
        values = parse_json(_unfenced(text), max_bytes=MAX_REPLY_BYTES)
    except ValueError:
        return JudgeFault.NOT_THE_FORM
    if not isinstance(values, dict) or set(values) != _FIELDS:
        return JudgeFault.NOT_THE_FORM
    scores = [values["first"], values["second"]]
    if any(isinstance(score, bool) or not isinstance(score, int | float) for score in scores):
        return JudgeFault.NOT_THE_FORM
    if not isinstance(values["reason"], str):
        return JudgeFault.NOT_THE_FORM
    if not all(LOWEST <= score <= HIGHEST for score in scores):
        return JudgeFault.OUT_OF_RANGE  # also of what is too large for a float
    return JudgeVerdict(float(scores[0]), float(scores[1]), values["reason"])


def _unfenced(text: str) -> str:
    """Returns the text between the lines of a code fence; the whole text without one."""
    first, _, rest = text.strip().partition("\n")
    inner, end, last = rest.rpartition("\n")
    return inner if end and first.rstrip() in _FENCES and last.strip() == "```" else text


def _from_lines(text: str) -> JudgeVerdict | JudgeFault:
    first, _, rest = text.strip().partition("\n")
    match = _TWO_NUMBERS.fullmatch(first.strip())
    if match is None:
        return JudgeFault.NOT_THE_FORM
    return JudgeVerdict(float(match[1]), float(match[2]), rest.strip())
