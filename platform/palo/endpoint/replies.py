"""Replies of a server: their bytes, their JSON, and the chat completion in it or why there is none.

Servers are not trusted: the length of a reply, the nesting of its JSON and its token counts are
bounded, and whatever comes is a value or one clear failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from palo.endpoint.refusals import (
    FailureKind,
    ServerError,
    hidden_error,
    kind_of,
    read_error,
)

# A few bytes of gzip or brotli can stand for gigabytes. Replies of models are short: compressing
# them saves nothing, and what isn't decompressed can't be a bomb.
IDENTITY = {"Accept-Encoding": "identity"}
MAX_REPLY_BYTES = 2 << 20
# No request is billed for more tokens; a larger count is wrong.
_MOST_TOKENS = 1 << 30
_SHOWN = 200

_THOUGHTS = ("reasoning_content", "reasoning")

FinishReason = Literal["stop", "length", "filtered", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A model's answer.

    Attributes:
        text: The answer; empty if the model gave none, or reasoned only.
        finish_reason: Why it ended.
        tokens_in: Tokens of the question, as the server counts them; 0 if it doesn't.
        tokens_out: Tokens of the answer, likewise.
        reasoning: What the model thought before, where the server sends it apart.
        refusal: Why the model won't answer, where it says so apart.
    """

    text: str
    finish_reason: FinishReason
    tokens_in: int = 0
    tokens_out: int = 0
    reasoning: str = ""
    refusal: str = ""

    @property
    def num_tokens(self) -> int:
        """Tokens of question and answer."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A request without an answer.

    Attributes:
        kind: timeout, connection, busy (429), server_error (5xx), refused (the form of the
            request), filtered or too_long (its texts), bad_response, or budget: it was never sent.
        detail: The error, or the beginning of the response.
        is_free: Whether it has surely cost nothing: it was refused, or never reached the server.
        error: What the server says; None if it says nothing.
    """

    kind: FailureKind
    detail: str
    is_free: bool = False
    error: ServerError | None = None


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
        The reply, or a failure: of kind bad_response, or of the kind of the error that the body
        holds in spite of its status.
    """
    try:
        values = parse_json(body, max_bytes=MAX_REPLY_BYTES)
        if (hidden := hidden_error(values)) is not None:
            return Failure(kind=kind_of(hidden), detail=_quoted(hidden.status, body), error=hidden)
        choice = values["choices"][0]
        message = choice["message"]
        text = _text_of(message)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Failure(kind="bad_response", detail=f"{error!r} in {body[:80]!r}")
    reason = choice.get("finish_reason")
    tokens_in, tokens_out = _tokens(values)
    refusal = message.get("refusal")
    return Reply(
        text=text,
        finish_reason=_finish_reason(reason),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        reasoning=next(filter(None, (_words(message.get(name)) for name in _THOUGHTS)), ""),
        refusal=refusal if isinstance(refusal, str) else "",
    )


def _text_of(message: Mapping[str, Any]) -> str:
    """Returns the words of an answer: a text, a list of parts, or nothing at all.

    Raises:
        KeyError: If the message has neither words nor reasoning nor a refusal.
        TypeError: If it or its content is something else.
    """
    if not isinstance(message, Mapping):
        raise TypeError(f"the message is {type(message).__name__}, not an object")
    content = message.get("content")
    if content is None:
        known = ("content", "refusal", *_THOUGHTS)
        if not any(name in message for name in known):
            raise KeyError("content")
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError(f"content is {type(content).__name__}, not text")
    return "".join(_part_text(part) for part in content)


def _part_text(part: object) -> str:
    """Returns the text of one part of an answer; none of a part that holds reasoning."""
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise TypeError(f"a part of content is {type(part).__name__}, not text")
    is_text = part.get("type", "text") in ("text", "output_text")
    return _words(part.get("text")) if is_text else ""


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _finish_reason(reason: object) -> FinishReason:
    if reason == "content_filter":
        return "filtered"
    if reason in ("length", "max_tokens"):
        return "length"
    return "stop" if reason == "stop" else "unknown"


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
    error = read_error(status, body)
    return Failure(kind=kind_of(error), detail=_quoted(status, body), is_free=True, error=error)


def _quoted(status: int, body: bytes) -> str:
    return f"HTTP {status}: {body[:_SHOWN].decode('utf-8', 'replace')}"
