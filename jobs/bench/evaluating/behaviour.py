"""How the bench's judge behaves: fair scores, and in each tenth request something else.

Its behaviour follows from the request's content alone, so that the expected result is known.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

Behaviour = Literal[
    "fair",
    "late at first",
    "other language",
    "nonsense",
    "no scores",
    "other digits",
    "out of range",
    "empty",
    "cut off",
    "refused",
    "server error",
    "hangs up",
    "silent",
]

OUTCOMES: Mapping[Behaviour, str | None] = {
    "fair": None,
    "late at first": None,
    "other language": None,
    "nonsense": "not in the form asked for",
    "no scores": "not in the form asked for",
    "other digits": "not in the form asked for",
    "out of range": "score out of range",
    "empty": "empty",
    "cut off": "cut off",
    "refused": "refused",
    "server error": "server_error",
    "hangs up": "connection",
    "silent": "timeout",
}
"""What a judgment must come to be counted as; None where it has scores."""

PASSING = ("server_error", "connection", "timeout")
"""Outcomes that a later run asks for again."""

_FAIR_SHARE = 0.9
_ANSWERS = re.compile(r"\[(?:First|Second) answer]\n(.*?)\n\[End of", re.DOTALL)
_LOWEST, _SPREAD = 3, 7


def name_of(body: Mapping[str, Any]) -> str:
    """Names a request by its content."""
    return hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()


def behaviour_of(body: Mapping[str, Any], *, misbehaves: bool) -> Behaviour:
    """Returns the judge's behaviour for a request."""
    number = int(name_of(body)[:16], 16)
    others = [one for one in OUTCOMES if one != "fair"]
    if not misbehaves or number % 1000 < 1000 * _FAIR_SHARE:
        return "fair"
    return others[number // 1000 % len(others)]


def scores_of(body: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the scores of both answers; that of an answer is the same wherever it stands."""
    first, second = _ANSWERS.findall(body["messages"][-1]["content"])
    return _worth(first), _worth(second)


def _worth(answer: str) -> int:
    return _LOWEST + hashlib.sha256(answer.strip().encode()).digest()[0] % _SPREAD


def reply_to(body: Mapping[str, Any], behaviour: Behaviour, attempt: int) -> tuple[int, str]:
    """Returns the HTTP status and the body of a reply.

    Args:
        body: The request.
        behaviour: Neither silent nor one that hangs up.
        attempt: How often the same request came before.
    """
    first, second = scores_of(body)
    reason = "It names what the image shows; the other one doesn't."
    if behaviour == "refused":
        return 400, json.dumps({"error": {"message": "filtered", "code": "content_filter"}})
    if behaviour == "server error" or (behaviour == "late at first" and attempt == 0):
        return 503, json.dumps({"error": {"message": "overloaded"}})
    if behaviour == "other language":
        reason = "پہلا جواب بتاتا ہے کہ تصویر میں کیا نظر آتا ہے، دوسرا جواب نہیں بتاتا۔"
    right = json.dumps({"first": first, "second": second, "reason": reason})
    words = {
        "nonsense": "Both assistants did a wonderful job here!",
        "no scores": json.dumps({"first": "good", "second": "better", "reason": reason}),
        "other digits": "پہلا: ۷، دوسرا: ۸",
        "out of range": json.dumps({"first": first, "second": 42, "reason": reason}),
        "empty": " \n",
    }.get(behaviour, right)
    finish = "length" if behaviour == "cut off" else "stop"
    choice = {"message": {"role": "assistant", "content": words}, "finish_reason": finish}
    return 200, json.dumps({"choices": [choice], "usage": {"total_tokens": 100}})
