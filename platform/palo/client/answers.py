"""Parses replies: server-sent events, whole answers and lists of models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from palo.client.errors import (
    MAX_REPLY_BYTES,
    ClientErrorCode,
    EndpointError,
    error_from_body,
    protocol_error,
)
from palo.endpoint.credentials import without_key
from palo.endpoint.replies import BadJsonError, encoding_fault, parse_json, token_count

_DONE = b"[DONE]"
_MAX_EVENT_BYTES = 1 << 20
# Far beyond any answer of a model; a server that sends more is rejected.
_MAX_STREAM_BYTES = 64 << 20
_MAX_CHARACTERS = 1 << 20
_MAX_NAMES = 10_000
_MAX_NAME = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of a request, as the server counted them.

    Attributes:
        prompt_tokens: Tokens of the question, images included.
        completion_tokens: Tokens of the answer.
    """

    prompt_tokens: int
    completion_tokens: int


class EventParser:
    """Splits a stream of bytes into the data of server-sent events.

    Only line feeds end a line, since an answer may contain the other line separators of Python.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the data of completed events.

        Args:
            data: The next bytes of the stream.

        Raises:
            EndpointError: If an event is too long.
        """
        first, *others = data.split(b"\n")
        self._rest += first
        if len(self._rest) > _MAX_EVENT_BYTES:
            raise protocol_error("the server", f"an event of {len(self._rest):,} bytes")
        if not others:
            return []
        lines = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        return [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]


@dataclass(kw_only=True, slots=True)
class AnswerReader:
    """Reads an answer, and holds its state.

    Attributes:
        request_id: The server's id of the request; None if unknown.
        language: ISO code of the language that the server detected; None if unknown.
        model: Name of the model that answers.
        finish_reason: Why the answer ended; None before its end.
        usage: Tokens of the request; None if unknown.
        done: Whether the stream has ended.
        num_deltas: Deltas with text so far.
        key: The client's API key, which errors must not repeat; None without one.
    """

    request_id: str | None = None
    language: str | None = None
    model: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    done: bool = False
    num_deltas: int = 0
    key: str | None = field(default=None, repr=False)
    _events: EventParser = field(default_factory=EventParser)
    _num_bytes: int = 0
    _num_characters: int = 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """Reads the headers.

        Args:
            headers: Headers of the response.

        Raises:
            EndpointError: If the answer is compressed against the request.
        """
        if fault := encoding_fault(headers.get("content-encoding", "")):
            raise protocol_error("the server", fault)
        self.request_id = headers.get("x-request-id")
        self.language = headers.get("x-palo-language")

    def feed(self, data: bytes) -> Iterator[str]:
        """Reads bytes of the stream.

        Args:
            data: The next bytes.

        Yields:
            New text.

        Raises:
            EndpointError: If the server reports an error, breaks the protocol, or sends too much.
        """
        self._num_bytes += len(data)
        if self._num_bytes > _MAX_STREAM_BYTES:
            raise protocol_error("the server", f"an answer of {self._num_bytes:,} bytes")
        for event in self._events.feed(data):
            if event == _DONE:
                self.done = True
            elif event and not self.done and (text := self._take(event)):
                self._num_characters += len(text)
                if self._num_characters > _MAX_CHARACTERS:
                    raise protocol_error("the server", f"over {_MAX_CHARACTERS:,} characters")
                yield text

    def take_whole(self, body: bytes) -> str:
        """Reads a whole answer.

        Args:
            body: Body of the response.

        Returns:
            The text of the answer.

        Raises:
            EndpointError: If the body breaks the protocol.
        """
        values = _values(body)
        self.done = True
        self._take_usage(values)
        choice = _first_choice(values)
        self.finish_reason = _text(choice, "finish_reason") or None
        return _text(_object(choice, "message"), "content")

    def require_end(self) -> None:
        """Checks that the answer is complete.

        Raises:
            EndpointError: If the connection ended before the answer.
        """
        if not self.done and self.finish_reason is None:
            raise EndpointError(
                "the connection ended in the middle of the answer",
                fix="Ask again.",
                code=ClientErrorCode.CUT_OFF,
                request_id=self.request_id,
            )

    def _take(self, event: bytes) -> str:
        values = _values(event)
        if values.get("error") is not None:
            error = error_from_body(_values(without_key(event, self.key))["error"])
            error.request_id = error.request_id or self.request_id
            raise error
        self.model = _text(values, "model")[:_MAX_NAME] or self.model
        self._take_usage(values)
        if not values.get("choices"):  # as in the event of the usage
            return ""
        choice = _first_choice(values)
        self.finish_reason = _text(choice, "finish_reason") or self.finish_reason
        text = _text(_object(choice, "delta"), "content") if choice.get("delta") else ""
        self.num_deltas += bool(text)
        return text

    def _take_usage(self, values: dict[str, Any]) -> None:
        usage = values.get("usage")
        if isinstance(usage, dict):
            self.usage = Usage(
                prompt_tokens=token_count(usage.get("prompt_tokens")),
                completion_tokens=token_count(usage.get("completion_tokens")),
            )


def _values(data: bytes) -> dict[str, Any]:
    try:
        values = parse_json(data, max_bytes=MAX_REPLY_BYTES)
    except BadJsonError:
        raise protocol_error("the server", data[:100]) from None
    if not isinstance(values, dict):
        raise protocol_error("the server", data[:100])
    return values


def _first_choice(values: dict[str, Any]) -> dict[str, Any]:
    choices = values.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        raise protocol_error("the server", "an answer without choices")
    return first


def _object(values: dict[str, Any], name: str) -> dict[str, Any]:
    value = values.get(name)
    if not isinstance(value, dict):
        raise protocol_error("the server", f"{name} is {type(value).__name__}, not an object")
    return value


def _text(values: dict[str, Any], name: str) -> str:
    """Returns an optional text."""
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise protocol_error("the server", f"{name} is {type(value).__name__}, not text")
    return value or ""


def model_lineages(body: bytes, address: str) -> dict[str, str]:
    """Returns the ids of the lineages in a list of models, by name; "" where none is told.

    Args:
        body: Body of the response.
        address: Address of the request, for the error.

    Raises:
        EndpointError: If the body breaks the protocol.
    """
    try:
        models = parse_json(body, max_bytes=MAX_REPLY_BYTES)["data"][:_MAX_NAMES]
        found = {model["id"]: model.get("lineage") for model in models}
    except (BadJsonError, KeyError, TypeError, AttributeError):
        raise protocol_error(address, body[:100]) from None
    if not all(map(_is_name, found)):
        raise protocol_error(address, "models without names")
    return {name: lineage if _is_name(lineage) else "" for name, lineage in found.items()}


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _MAX_NAME
