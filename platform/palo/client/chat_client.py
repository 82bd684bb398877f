"""Chat clients of an OpenAI-compatible server, with and without an event loop."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Self

import httpx
import orjson

from palo.client.answers import AnswerReader, model_lineages
from palo.client.endpoint import Endpoint
from palo.client.errors import (
    MAX_REPLY_BYTES,
    error_from_response,
    protocol_error,
    timeout_error,
    transport_error,
)
from palo.client.questions import ChatQuestion
from palo.endpoint.credentials import (
    without_key,
)
from palo.endpoint.replies import ReplyBody

_JSON = {"Content-Type": "application/json"}


class Answer:
    """A streamed answer; iterating yields its text.

    Args:
        response: The response.
        endpoint: The server that sends it.

    Attributes:
        state: The state of the answer so far.
    """

    def __init__(self, response: httpx.Response, endpoint: Endpoint) -> None:
        self.state = AnswerReader(key=endpoint.api_key)
        self.state.begin(response.headers)
        self._response = response
        self._url = endpoint.url
        self._until = time.monotonic() + endpoint.answer_s
        self._cancelled = False

    def __iter__(self) -> Iterator[str]:
        try:
            for data in self._response.iter_raw():
                yield from self.state.feed(data)
                if self.state.done:
                    return
                if time.monotonic() > self._until:
                    raise timeout_error(self._url)
        except (httpx.HTTPError, httpx.StreamError) as error:
            if self._cancelled:
                return
            if isinstance(error, httpx.StreamError):
                raise
            raise transport_error(error, self._url, begun=True) from error
        if not self._cancelled:
            self.state.require_end()

    def cancel(self) -> None:
        """Cancels the answer from any thread: the server stops, and the iteration ends."""
        self._cancelled = True
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            # Closing alone wouldn't wake a thread that waits for the next bytes.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ChatClient:
    """A synchronous client; a context manager, or to be closed.

    Args:
        endpoint: The server.

    Raises:
        ConfigError: If the address is wrong, or the key may not be sent there.
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
        """Returns the names of the server's models.

        Raises:
            EndpointError: If the request fails.
        """
        return list(self.lineages())

    def lineages(self) -> dict[str, str]:
        """Returns the ids of the lineages of the server's models, by name; "" where none is told.

        Raises:
            EndpointError: If the request fails.
        """
        address = self._endpoint.address("models")
        with self._sent("GET", address) as response:
            return model_lineages(self._body(response), address)

    def answer(self, question: ChatQuestion) -> str:
        """Returns a whole answer.

        Args:
            question: The question.

        Raises:
            EndpointError: If the request fails.
        """
        content = orjson.dumps(question.payload(stream=False))
        with self._sent("POST", self._endpoint.address("chat/completions"), content) as response:
            return AnswerReader().take_whole(self._body(response))

    @contextlib.contextmanager
    def stream(self, question: ChatQuestion) -> Iterator[Answer]:
        """Streams an answer; leaving the block cancels it, also on the server.

        Args:
            question: The question.

        Yields:
            The answer, to be iterated.

        Raises:
            EndpointError: If the request fails, or the answer does later.
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
            raise transport_error(error, self._endpoint.url, begun=False) from error
        with contextlib.closing(response):
            if response.status_code >= 300:
                body = without_key(self._body(response), self._endpoint.api_key)
                raise error_from_response(response.status_code, response.headers, body)
            yield response

    def _body(self, response: httpx.Response) -> bytes:
        body = ReplyBody(response.headers, MAX_REPLY_BYTES)
        until = time.monotonic() + self._endpoint.answer_s
        try:
            for part in response.iter_raw():
                if time.monotonic() > until:
                    raise timeout_error(self._endpoint.url)
                if not body.add(part):
                    break
        except httpx.HTTPError as error:
            raise transport_error(error, self._endpoint.url, begun=True) from error
        if body.fault and response.is_success:
            raise protocol_error(self._endpoint.url, body.fault)
        return body.data


class AsyncAnswer:
    """A streamed answer; iterating asynchronously yields its text.

    Args:
        response: The response.
        endpoint: The server that sends it.

    Attributes:
        state: The state of the answer so far.
    """

    def __init__(self, response: httpx.Response, endpoint: Endpoint) -> None:
        self.state = AnswerReader(key=endpoint.api_key)
        self.state.begin(response.headers)
        self._response = response
        self._url = endpoint.url
        self._until = time.monotonic() + endpoint.answer_s

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            async for data in self._response.aiter_raw():
                for text in self.state.feed(data):
                    yield text
                if self.state.done:
                    return
                if time.monotonic() > self._until:
                    raise timeout_error(self._url)
        except httpx.HTTPError as error:
            raise transport_error(error, self._url, begun=True) from error
        self.state.require_end()


class AsyncChatClient:
    """An asynchronous client, to be used as an asynchronous context manager.

    Args:
        endpoint: The server.
        shared: Connections that outlive this client; its own without them.

    Raises:
        ConfigError: If the address is wrong, or the key may not be sent there.
    """

    def __init__(self, endpoint: Endpoint, shared: httpx.AsyncClient | None = None) -> None:
        settings = endpoint.client_settings()
        self._endpoint = endpoint
        self._headers = _JSON | settings["headers"]
        self._is_shared = shared is not None
        self._http = shared or httpx.AsyncClient(**settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._is_shared:
            await self._http.aclose()

    async def models(self) -> list[str]:
        """Returns the names of the server's models.

        Raises:
            EndpointError: If the request fails.
        """
        address = self._endpoint.address("models")
        async with self._sent("GET", address) as response:
            return list(model_lineages(await self._body(response), address))

    @contextlib.asynccontextmanager
    async def stream(self, question: ChatQuestion) -> AsyncIterator[AsyncAnswer]:
        """Streams an answer; leaving the block or cancelling the task cancels it, also there.

        Args:
            question: The question.

        Yields:
            The answer, to be iterated.

        Raises:
            EndpointError: If the request fails, or the answer does later.
        """
        content = orjson.dumps(question.payload(stream=True))
        address = self._endpoint.address("chat/completions")
        async with self._sent("POST", address, content) as response:
            yield AsyncAnswer(response, self._endpoint)

    @contextlib.asynccontextmanager
    async def _sent(
        self, method: str, address: str, content: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        try:
            request = self._http.build_request(
                method, address, content=content, headers=self._headers
            )
            async with asyncio.timeout(self._endpoint.answer_s):
                response = await self._http.send(request, stream=True)
        except TimeoutError as error:
            raise timeout_error(self._endpoint.url) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise transport_error(error, self._endpoint.url, begun=False) from error
        async with contextlib.aclosing(response):
            if response.status_code >= 300:
                body = without_key(await self._body(response), self._endpoint.api_key)
                raise error_from_response(response.status_code, response.headers, body)
            yield response

    async def _body(self, response: httpx.Response) -> bytes:
        body = ReplyBody(response.headers, MAX_REPLY_BYTES)
        try:
            async with asyncio.timeout(self._endpoint.answer_s):
                async for part in response.aiter_raw():
                    if not body.add(part):
                        break
        except TimeoutError as error:
            raise timeout_error(self._endpoint.url) from error
        except httpx.HTTPError as error:
            raise transport_error(error, self._endpoint.url, begun=True) from error
        if body.fault and response.is_success:
            raise protocol_error(self._endpoint.url, body.fault)
        return body.data
