"""Comments in streams that have nothing to say for a while, so that nobody takes them for dead."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.security.rate_limiter import TokenMeter
from palo.serve.protocol.bodies import DONE, KEEP_ALIVE, AnswerWriter, event
from palo.serve.protocol.generate import Delta, GenerateRequest, Item, ReplicaReport, Started
from palo.serve.replica_client import Attempt
from palo.serve.request_recorder import RequestRecorder


async def kept_alive(events: AsyncGenerator[bytes], every_s: float) -> AsyncGenerator[bytes]:
    """Passes events on, and a comment whenever none came for a while; clients leave those out.

    Args:
        events: The events; they are closed with this generator.
        every_s: Seconds without an event after which there is a comment.

    Yields:
        Events and comments.
    """
    coming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.create_task(_next(events))
            done, _ = await asyncio.wait({coming}, timeout=every_s)
            if not done:
                yield KEEP_ALIVE
                continue
            event, coming = coming.result(), None
            if event is None:
                return
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait({coming})
        await events.aclose()


async def _next(events: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(events, None)


_LOG = logging.getLogger(__name__)
_KEEP_ALIVE_S = 10.0
_LOOK_EVERY_S = 1.0


class ChatReply:
    """Turns what comes of one request into its answer.

    Args:
        ask: The request.
        items: What comes; closing it ends the answer.
        spending: Pays for it.
        account: Counts it.
        require_good: Raises a refusal once the request's key is revoked; asked once a second.
        tells_cached: Whether the client is told how much of its prompt was known.
    """

    def __init__(
        self,
        ask: GenerateRequest,
        items: AsyncGenerator[Item | Attempt],
        spending: TokenMeter,
        account: RequestRecorder,
        *,
        require_good: Callable[[], None],
        tells_cached: bool,
    ) -> None:
        self._ask = ask
        self._items = items
        self._spending = spending
        self._account = account
        self._require_good = require_good
        self._asked_s = time.monotonic()
        self._tells_cached = tells_cached

    async def whole(self, headers: dict[str, str]) -> Response:
        """Returns the answer in one body.

        Args:
            headers: Its own headers.

        Raises:
            Refusal: If there is no answer.
        """
        async with aclosing(self._items):
            writer = self._writer("")
            async for item in self._items:
                if isinstance(item, Started):  # another try starts an answer anew
                    writer = self._writer(item.version)
                    self._spending.began(item.prompt_tokens)
                elif isinstance(item, Delta):
                    self._take(item, writer)
                elif isinstance(item, ReplicaReport):
                    self._account.reported(item)
        self._account.answered(writer.text)
        body = orjson.dumps(writer.whole())
        return Response(body, headers=headers, media_type="application/json")

    async def stream(
        self, headers: dict[str, str], ending: ExitStack, *, with_usage: bool
    ) -> Response:
        """Returns the answer as a stream, once a replica has taken the request.

        Until then a refusal has a status of HTTP; what goes wrong later becomes an event.

        Args:
            headers: Its own headers.
            ending: What the stream holds, given back when it ends.
            with_usage: Whether it ends with an event that tells what it took.

        Raises:
            Refusal: If no replica takes it.
        """
        writer = await self._opened()
        events = kept_alive(self._events(writer, with_usage=with_usage), _KEEP_ALIVE_S)
        # What is held lasts as long as the stream.
        return _Stream(events, self._items, ending.pop_all(), headers)

    def _writer(self, version: str) -> AnswerWriter:
        return AnswerWriter(
            self._ask.model,
            version,
            self._ask.num_choices,
            with_logprobs=self._ask.sampling.num_logprobs is not None,
            tells_cached=self._tells_cached,
        )

    def _take(self, piece: Delta, writer: AnswerWriter) -> None:
        now = time.monotonic()
        if now - self._asked_s >= _LOOK_EVERY_S:
            self._asked_s = now
            self._require_good()
        writer.add(piece)
        self._spending.said(piece.choice, piece.usage)
        if piece.usage is not None:
            self._account.took(piece.usage)

    async def _opened(self) -> AnswerWriter:
        try:
            async for item in self._items:
                if isinstance(item, Started):
                    self._spending.began(item.prompt_tokens)
                    return self._writer(item.version)
        except BaseException:
            await self._items.aclose()
            raise
        raise APIError("the model said nothing", fix="Ask again.", code=APIErrorCode.INTERNAL)

    async def _events(self, writer: AnswerWriter, *, with_usage: bool) -> AsyncGenerator[bytes]:
        request_id = self._ask.request_id
        try:
            yield b"".join(event(chunk) for chunk in writer.opening())
            async for item in self._items:
                if isinstance(item, Delta):
                    self._take(item, writer)
                    yield b"".join(event(chunk) for chunk in writer.chunks(item))
                elif isinstance(item, ReplicaReport):
                    self._account.reported(item)
            self._account.answered(writer.text)
            if with_usage:
                yield event(writer.usage_chunk())
        except APIError as refusal:
            self._account.failed(refusal)
            yield event(refusal.body(request_id))
        except Exception as error:
            self._account.failed(error)
            _LOG.exception("request %s failed in its stream", request_id)
            failed = APIError("the server failed", fix="Ask again.", code=APIErrorCode.INTERNAL)
            yield event(failed.body(request_id))
        yield DONE


class _Stream(StreamingResponse):
    """A stream that gives back what it holds, however it ends."""

    def __init__(
        self,
        events: AsyncGenerator[bytes],
        items: AsyncGenerator[Item | Attempt],
        ending: ExitStack,
        headers: dict[str, str],
    ) -> None:
        own = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events, headers=headers | own, media_type="text/event-stream")
        self._events = events
        self._items = items
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._ending:
            async with aclosing(self._items), aclosing(self._events):
                await super().__call__(scope, receive, send)
