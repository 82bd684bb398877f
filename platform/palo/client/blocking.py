"""The client for programs without an event loop."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Self

import httpx
import orjson

from palo.client.answers import Reading, model_names
from palo.client.endpoint import Endpoint
from palo.client.failures import (
    MAX_REPLY_BYTES,
    failed,
    not_understood,
    refused,
    took_too_long,
)
from palo.client.questions import ChatQuestion
from palo.endpoint.credentials import without_key
from palo.endpoint.replies import ReplyBody

_JSON = {"Content-Type": "application/json"}


class Answer:
    """An answer that comes piece by piece; iterating gives its text.

    Attributes:
        reading: What is known of it so far.
    """

    def __init__(self, response: httpx.Response, endpoint: Endpoint) -> None:
        self.reading = Reading(key=endpoint.api_key)
        self.reading.begin(response.headers)
        self._response = response
        self._url = endpoint.url
        self._until = time.monotonic() + endpoint.answer_s
        self._cancelled = False

    def __iter__(self) -> Iterator[str]:
        try:
            for data in self._response.iter_raw():
                yield from self.reading.feed(data)
                if self.reading.done:
                    return
                if time.monotonic() > self._until:
                    raise took_too_long(self._url)
        except (httpx.HTTPError, httpx.StreamError) as error:
            if self._cancelled:
                return
            if isinstance(error, httpx.StreamError):
                raise
            raise failed(error, self._url, begun=True) from error
        if not self._cancelled:
            self.reading.require_end()

    def cancel(self) -> None:
        """Ends the answer, from any thread: the server stops, and the iteration ends."""
        self._cancelled = True
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            # Closing alone would leave a thread that waits for the next bytes waiting.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ChatClient:
    """Asks a server; a context manager, or to be closed.

    Args:
        endpoint: Where it is.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._http = httpx.Client(**endpoint.client_settings())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def models(self) -> list[str]:
        """Returns the names of the models that can be asked.

        Raises:
            EndpointError: If the server can't be reached or refuses.
        """
        address = self._endpoint.address("models")
        with self._sent("GET", address) as response:
            return model_names(self._body(response), address)

    def answer(self, question: ChatQuestion) -> str:
        """Returns a whole answer.

        Raises:
            EndpointError: If there is none.
        """
        content = orjson.dumps(question.payload(stream=False))
        with self._sent("POST", self._endpoint.address("chat/completions"), content) as response:
            return Reading().take_whole(self._body(response))

    @contextlib.contextmanager
    def stream(self, question: ChatQuestion) -> Iterator[Answer]:
        """Asks, and gives the answer as it comes; leaving the block ends it, also on the server.

        Raises:
            EndpointError: If the question is refused, or later, the answer fails.
        """
        content = orjson.dumps(question.payload(stream=True))
        with self._sent("POST", self._endpoint.address("chat/completions"), content) as response:
            yield Answer(response, self._endpoint)

    @contextlib.contextmanager
    def _sent(
        self, method: str, address: str, content: bytes | None = None
    ) -> Iterator[httpx.Response]:
        try:
            request = self._http.build_request(method, address, content=content, headers=_JSON)
            response = self._http.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failed(error, self._endpoint.url, begun=False) from error
        with contextlib.closing(response):
            if response.status_code >= 300:
                body = without_key(self._body(response), self._endpoint.api_key)
                raise refused(response.status_code, response.headers, body)
            yield response

    def _body(self, response: httpx.Response) -> bytes:
        body = ReplyBody(response.headers, MAX_REPLY_BYTES)
        until = time.monotonic() + self._endpoint.answer_s
        try:
            for part in response.iter_raw():
                if time.monotonic() > until:
                    raise took_too_long(self._endpoint.url)
                if not body.add(part):
                    break
        except httpx.HTTPError as error:
            raise failed(error, self._endpoint.url, begun=True) from error
        if body.fault and response.is_success:
            raise not_understood(self._endpoint.url, body.fault)
        return body.data
