"""What comes back: the events of a stream, and what is known of an answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from palo.serve.client.failures import ClientCode, EndpointError, not_understood, refusal_of

_DONE = b"[DONE]"
_MAX_EVENT_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of a request, as the server counted them.

    Attributes:
        prompt_tokens: Of the question, pictures included.
        completion_tokens: Of the answer.
    """

    prompt_tokens: int
    completion_tokens: int


class Events:
    """Cuts a stream of bytes into the data of server-sent events.

    Only line feeds and carriage returns end a line: an answer may hold the other characters that
    Python takes for line ends.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the data of the events that these bytes complete.

        Raises:
            EndpointError: If an event is longer than any that a server of models sends.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_EVENT_BYTES:
            raise not_understood("the server", f"an event of {len(self._rest)} bytes")
        return [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]


@dataclass(kw_only=True, slots=True)
class Reading:
    """An answer that is being read.

    Attributes:
        request_id: What the server calls the request; None if it doesn't say.
        language: Language that the server detected; None if it doesn't say.
        model: Name of the model that answers.
        finish_reason: Why the answer ended; None before it has.
        usage: Tokens as the server counted them; None if it doesn't say.
        done: Whether the stream has come to its end.
        num_pieces: Pieces of text so far.
    """

    request_id: str | None = None
    language: str | None = None
    model: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    done: bool = False
    num_pieces: int = 0
    _events: Events = field(default_factory=Events)

    def begin(self, headers: Mapping[str, str]) -> None:
        """Takes what the headers tell."""
        self.request_id = headers.get("x-request-id")
        self.language = headers.get("x-palo-language")

    def feed(self, data: bytes) -> Iterator[str]:
        """Takes bytes of the stream.

        Yields:
            The pieces of text that they bring.

        Raises:
            EndpointError: If the server says that the answer failed, or what it says isn't known.
        """
        for event in self._events.feed(data):
            if event == _DONE:
                self.done = True
            elif event and not self.done and (text := self._take(_values(event))):
                yield text

    def take_whole(self, body: bytes) -> str:
        """Takes an answer that came in one piece; returns its text."""
        values = _values(body)
        self.done = True
        self._take_usage(values)
        choice = _first_choice(values)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise not_understood("the server", body[:100])
        self.finish_reason = choice.get("finish_reason")
        return str(message.get("content") or "")

    def require_end(self) -> None:
        """Raises EndpointError if the connection ended before the answer did."""
        if not self.done and self.finish_reason is None:
            raise EndpointError(
                "the connection ended in the middle of the answer",
                fix="Ask again.",
                code=ClientCode.CUT_OFF,
                request_id=self.request_id,
            )

    def _take(self, values: dict[str, Any]) -> str:
        if "error" in values:
            error = refusal_of(values["error"])
            error.request_id = error.request_id or self.request_id
            raise error
        self.model = str(values.get("model") or self.model)
        self._take_usage(values)
        choice = _first_choice(values)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        text = str((choice.get("delta") or {}).get("content") or "")
        self.num_pieces += bool(text)
        return text

    def _take_usage(self, values: dict[str, Any]) -> None:
        usage = values.get("usage")
        if isinstance(usage, dict):
            self.usage = Usage(
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )


def _values(data: bytes) -> dict[str, Any]:
    try:
        values = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise not_understood("the server", data[:100]) from None
    if not isinstance(values, dict):
        raise not_understood("the server", data[:100])
    return values


def _first_choice(values: dict[str, Any]) -> dict[str, Any]:
    choices = values.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, dict) else {}


def model_names(body: bytes, address: str) -> list[str]:
    """Returns the names in a list of models.

    Raises:
        EndpointError: If it is no such list.
    """
    try:
        return [str(model["id"]) for model in orjson.loads(body)["data"]]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise not_understood(address, body[:100]) from None
