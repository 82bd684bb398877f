"""The client for programs with an event loop; cancelling a task that reads ends the answer."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
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


class AsyncAnswer:
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

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            async for data in self._response.aiter_raw():
                for text in self.reading.feed(data):
                    yield text
                if self.reading.done:
                    return
                if time.monotonic() > self._until:
                    raise took_too_long(self._url)
        except httpx.HTTPError as error:
            raise failed(error, self._url, begun=True) from error
        self.reading.require_end()


class AsyncChatClient:
    """Asks a server; an asynchronous context manager.

    Args:
        endpoint: Where it is.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._http = httpx.AsyncClient(**endpoint.client_settings())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def models(self) -> list[str]:
        """Returns the names of the models that can be asked.

        Raises:
            EndpointError: If the server can't be reached or refuses.
        """
        address = self._endpoint.address("models")
        async with self._sent("GET", address) as response:
            return model_names(await self._body(response), address)

    @contextlib.asynccontextmanager
    async def stream(self, question: ChatQuestion) -> AsyncIterator[AsyncAnswer]:
        """Asks, and gives the answer as it comes; leaving the block ends it, also on the server.

        Raises:
            EndpointError: If the question is refused, or later, the answer fails.
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
            request = self._http.build_request(method, address, content=content, headers=_JSON)
            async with asyncio.timeout(self._endpoint.answer_s):
                response = await self._http.send(request, stream=True)
        except TimeoutError as error:
            raise took_too_long(self._endpoint.url) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failed(error, self._endpoint.url, begun=False) from error
        async with contextlib.aclosing(response):
            if response.status_code >= 300:
                body = without_key(await self._body(response), self._endpoint.api_key)
                raise refused(response.status_code, response.headers, body)
            yield response

    async def _body(self, response: httpx.Response) -> bytes:
        body = ReplyBody(response.headers, MAX_REPLY_BYTES)
        try:
            async with asyncio.timeout(self._endpoint.answer_s):
                async for part in response.aiter_raw():
                    if not body.add(part):
                        break
        except TimeoutError as error:
            raise took_too_long(self._endpoint.url) from error
        except httpx.HTTPError as error:
            raise failed(error, self._endpoint.url, begun=True) from error
        if body.fault and response.is_success:
            raise not_understood(self._endpoint.url, body.fault)
        return body.data
