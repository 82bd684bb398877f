"""Replies of a server: their bytes, their JSON, and the chat completion in it or why there is none.

Servers are not trusted: the length of a reply, the nesting of its JSON and its token counts are
bounded, and whatever comes is a value or one clear failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import orjson

# A few bytes of gzip or brotli can stand for gigabytes. Replies of models are short: compressing
# them saves nothing, and what isn't decompressed can't be a bomb.
IDENTITY = {"Accept-Encoding": "identity"}
MAX_REPLY_BYTES = 2 << 20
# No request is billed for more tokens; a larger count is wrong.
_MOST_TOKENS = 1 << 30
_SHOWN = 200

FinishReason = Literal["stop", "length", "unknown"]
FailureKind = Literal[
    "timeout", "connection", "busy", "server_error", "refused", "bad_response", "budget"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A model's answer.

    Attributes:
        text: The answer.
        finish_reason: Why it ended.
        tokens_in: Tokens of the question, as the server counts them; 0 if it doesn't.
        tokens_out: Tokens of the answer, likewise.
    """

    text: str
    finish_reason: FinishReason
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def num_tokens(self) -> int:
        """Tokens of question and answer."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A request without an answer.

    Attributes:
        kind: timeout, connection, busy (429), server_error (5xx), refused (another 4xx: the same
            request would be refused again), bad_response, or budget: it was never sent.
        detail: The error, or the beginning of the response.
        is_free: Whether it has surely cost nothing: it was refused, or never reached the server.
    """

    kind: FailureKind
    detail: str
    is_free: bool = False


class BadJsonError(ValueError):
    """Bytes that are no JSON, or more of it than is read."""


class ReplyBody:
    """Collects the bytes of a response as they are on the wire, up to a limit.

    Args:
        headers: The response's headers.
        max_bytes: Most bytes that are accepted.

    Attributes:
        fault: Why the response can't be read; empty while it can.
    """

    def __init__(self, headers: Mapping[str, str], max_bytes: int) -> None:
        self.fault = encoding_fault(headers.get("content-encoding", ""))
        self._max_bytes = max_bytes
        self._data = bytearray()

    @property
    def data(self) -> bytes:
        """The bytes so far; none of an encoded response."""
        return bytes(self._data)

    def add(self, part: bytes) -> bool:
        """Adds the next bytes.

        Args:
            part: Any number of bytes.

        Returns:
            Whether more are wanted.
        """
        if not self.fault:
            self._data += part[: self._max_bytes - len(self._data) + 1]
            if len(self._data) > self._max_bytes:
                self.fault = f"the reply is longer than {self._max_bytes:,} bytes"
        return not self.fault


def encoding_fault(encoding: str) -> str:
    """Returns what is wrong with a response's encoding; "" if it is plain, as was asked for.

    Args:
        encoding: The header Content-Encoding; empty without one.
    """
    if encoding.strip().lower() in ("", "identity"):
        return ""
    return f"the reply is encoded ({encoding[:40]}) though a plain one was asked for"


def parse_json(data: bytes | str, *, max_bytes: int) -> Any:  # noqa: ANN401 - JSON values
    """Parses JSON that may be hostile.

    Nesting is bounded at 1,024 levels and integers at 64 bits (larger ones become floats). NaN,
    infinities, lone surrogates and invalid UTF-8 are refused, so that every text in the value can
    be written to a file again. Values may still be nested deeper than Python's `repr` can follow:
    read the fields that are needed, and print no others.

    Args:
        data: The text.
        max_bytes: Longest text that is parsed.

    Returns:
        The JSON value.

    Raises:
        BadJsonError: If it is too long, or no JSON.
    """
    if len(data) > max_bytes:
        raise BadJsonError(f"more than {max_bytes:,} bytes of JSON")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadJsonError(str(error)) from None


def token_count(value: object) -> int:
    """Returns a server's count of tokens; 0 for a value that can't be one.

    Args:
        value: Any JSON value.
    """
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 < value <= _MOST_TOKENS else 0  # type: ignore[operator,return-value]


def read_reply(body: bytes) -> Reply | Failure:
    """Reads the body of a chat completion.

    Args:
        body: The body of a response with status 200.

    Returns:
        The reply, or a failure of kind bad_response.
    """
    try:
        values = parse_json(body, max_bytes=MAX_REPLY_BYTES)
        choice = values["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Failure(kind="bad_response", detail=f"{error!r} in {body[:80]!r}")
    if not isinstance(text, str):
        return Failure(kind="bad_response", detail=f"content is {type(text).__name__}, not text")
    reason = choice.get("finish_reason")
    tokens_in, tokens_out = _tokens(values)
    return Reply(
        text=text,
        finish_reason=reason if reason in ("stop", "length") else "unknown",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )


def _tokens(values: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the tokens of question and answer; a total alone counts as the answer's."""
    usage = values.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0
    tokens_in, tokens_out, total = (
        token_count(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total")
    )
    return tokens_in, max(tokens_out, total - tokens_in)


def failure_of(status: int, body: bytes) -> Failure:
    """Returns the failure that an HTTP status other than success means.

    Args:
        status: The HTTP status.
        body: The response's body, whose beginning is quoted.
    """
    detail = f"HTTP {status}: {body[:_SHOWN].decode('utf-8', 'replace')}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure(kind="busy", detail=detail, is_free=True)
    return Failure(
        kind="server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "refused",
        detail=detail,
        is_free=True,
    )
