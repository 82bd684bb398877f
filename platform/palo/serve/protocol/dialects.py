"""The two APIs that ask for an answer: each reads a body and writes the answer in its own form."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from palo.api_errors import APIError
from palo.serve.protocol.bodies import CompletionWriter
from palo.serve.protocol.chat_request import ChatRequest, ProtocolBounds, read_request
from palo.serve.protocol.generate import Delta
from palo.serve.protocol.response_bodies import ResponseWriter
from palo.serve.protocol.responses_request import read_responses_request


class AnswerWriter(Protocol):
    """Writes one answer, whole or as a stream of server-sent events."""

    @property
    def text(self) -> str:
        """The answer so far."""

    def set_version(self, version: str) -> None:
        """Takes the version, before the first delta and wherever another replica continues.

        Args:
            version: Fingerprint of the weights.
        """

    def add(self, delta: Delta) -> None:
        """Adds a delta.

        Args:
            delta: The delta.
        """

    def whole(self) -> dict[str, Any]:
        """Returns the body of an answer that isn't streamed."""

    def stream_start(self) -> bytes:
        """Returns the events before the first text."""

    def stream_delta(self, delta: Delta) -> bytes:
        """Returns the events of a delta.

        Args:
            delta: The delta.
        """

    def stream_end(self) -> bytes:
        """Returns the events after the last text."""

    def stream_error(self, error: APIError, request_id: str) -> bytes:
        """Returns the events that end a stream which fails.

        Args:
            error: Why.
            request_id: Id of the request in the server's log.
        """


WriterFactory = Callable[[bool], AnswerWriter]
"""Makes the writer of an answer; the argument is whether cached tokens are reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedRequest:
    """A request as one of the APIs has read it.

    Attributes:
        chat: The chat request that it stands for.
        paths: The path of each message's field in the body.
        writer: Makes the writer of its answer.
    """

    chat: ChatRequest
    paths: tuple[str, ...]
    writer: WriterFactory


Dialect = Callable[[bytes | bytearray, ProtocolBounds], AskedRequest]
"""Reads a body in the form of one API; raises APIError if it is invalid."""


def read_chat(body: bytes | bytearray, bounds: ProtocolBounds) -> AskedRequest:
    """Reads a request for a chat completion.

    Args:
        body: JSON, with its size and number of values bounded by the caller.
        bounds: Bounds of its parameters.

    Raises:
        APIError: If it is invalid JSON, an invalid request, or beyond a bound.
    """
    request = read_request(body, bounds)

    def writer(reports_cached: bool) -> AnswerWriter:
        return CompletionWriter(
            request.model,
            request.n or 1,
            with_logprobs=bool(request.logprobs),
            with_usage=request.wants_usage_event,
            reports_cached=reports_cached,
        )

    paths = tuple(f"messages[{number}]" for number in range(len(request.messages)))
    return AskedRequest(chat=request, paths=paths, writer=writer)


def read_responses(body: bytes | bytearray, bounds: ProtocolBounds) -> AskedRequest:
    """Reads a request of the Responses API.

    Args:
        body: JSON, with its size and number of values bounded by the caller.
        bounds: Bounds of its parameters.

    Raises:
        APIError: If it is invalid JSON, an invalid request, or beyond a bound.
    """
    request = read_responses_request(body, bounds)

    def writer(reports_cached: bool) -> AnswerWriter:
        return ResponseWriter(request, reports_cached=reports_cached)

    paths = tuple(path for path, _ in request.messages())
    return AskedRequest(chat=request.chat_request(), paths=paths, writer=writer)
