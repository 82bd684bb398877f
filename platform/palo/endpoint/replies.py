"""What comes back from a server: a reply, or why there is none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

FinishReason = Literal["stop", "length", "unknown"]
Kind = Literal["timeout", "connection", "busy", "server_error", "refused", "bad_response", "budget"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A model's words.

    Attributes:
        text: The words.
        finish_reason: Why it ended.
        num_tokens: Tokens of question and answer, as the server counts them; 0 if it doesn't.
    """

    text: str
    finish_reason: FinishReason
    num_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why there are no words.

    Attributes:
        kind: timeout, connection, busy (429), server_error (5xx), refused (another 4xx: the same
            request would be refused again), bad_response, or budget: it was never sent.
        detail: What was seen.
    """

    kind: Kind
    detail: str


def read_reply(body: bytes) -> Reply | Failure:
    """Reads the body of a chat completion."""
    try:
        values = json.loads(body)
        choice = values["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Failure(kind="bad_response", detail=f"{error!r} in {body[:80]!r}")
    if not isinstance(text, str):
        return Failure(kind="bad_response", detail=f"content is {text!r}")
    return Reply(text=text, finish_reason=_finish(choice), num_tokens=_tokens(values))


def _finish(choice: Mapping[str, Any]) -> FinishReason:
    reason = choice.get("finish_reason")
    return reason if reason in ("stop", "length") else "unknown"


def _tokens(values: Mapping[str, Any]) -> int:
    usage = values.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return total if isinstance(total, int) and total > 0 else 0


def failure_of(status: int, body: bytes) -> Failure:
    """Returns what an HTTP status other than success means."""
    detail = f"HTTP {status}: {body[:200].decode('utf-8', 'replace')}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure(kind="busy", detail=detail)
    return Failure(
        kind="server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused",
        detail=detail,
    )
