"""What comes back from a server: a reply, or why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from palo.endpoint.json_parsing import parse_json, token_count

FinishReason = Literal["stop", "length", "unknown"]
MAX_REPLY_BYTES = 2 << 20
Kind = Literal["timeout", "connection", "busy", "server_error", "refused", "bad_response", "budget"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A model's words.

    Attributes:
        text: The words.
        finish_reason: Why it ended.
        num_tokens: Tokens of question and answer, as the server counts them; 0 if it doesn't.
        tokens_in: Tokens of the question alone.
        tokens_out: Tokens of the answer alone.
    """

    text: str
    finish_reason: FinishReason
    num_tokens: int
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why there are no words.

    Attributes:
        kind: timeout, connection, busy (429), server_error (5xx), refused (another 4xx: the same
            request would be refused again), bad_response, or budget: it was never sent.
        detail: What was seen.
        is_free: Whether it has surely cost nothing: it was refused, or never got there.
    """

    kind: Kind
    detail: str
    is_free: bool = False


def read_reply(body: bytes) -> Reply | Failure:
    """Reads the body of a chat completion."""
    try:
        values = parse_json(body, max_bytes=MAX_REPLY_BYTES)
        choice = values["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Failure(kind="bad_response", detail=f"{error!r} in {body[:80]!r}")
    if not isinstance(text, str):
        return Failure(kind="bad_response", detail=f"content is {type(text).__name__}, not text")
    tokens_in, tokens_out = _tokens(values)
    return Reply(
        text=text,
        finish_reason=_finish(choice),
        num_tokens=tokens_in + tokens_out,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )


def _finish(choice: Mapping[str, Any]) -> FinishReason:
    reason = choice.get("finish_reason")
    return reason if reason in ("stop", "length") else "unknown"


def _tokens(values: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the tokens of question and answer; what isn't told apart counts as the answer's."""
    usage = values.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0
    tokens_in, tokens_out, total = (
        token_count(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total")
    )
    return tokens_in, max(tokens_out, total - tokens_in)


def failure_of(status: int, body: bytes) -> Failure:
    """Returns what an HTTP status other than success means."""
    detail = f"HTTP {status}: {body[:200].decode('utf-8', 'replace')}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure(kind="busy", detail=detail, is_free=True)
    return Failure(
        kind="server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused",
        detail=detail,
        is_free=True,
    )
