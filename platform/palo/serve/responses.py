"""Responses with an answer: a whole body, or a stream of server-sent events."""

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
from palo.serve.protocol.bodies import KEEP_ALIVE
from palo.serve.protocol.dialects import AnswerWriter, WriterFactory
from palo.serve.protocol.generate import (
    Delta,
    GenerateRequest,
    Queued,
    ReplicaEvent,
    ReplicaReport,
    Started,
)
from palo.serve.request_recorder import RequestRecorder

_LOG = logging.getLogger(__name__)
_KEEP_ALIVE_S = 10.0
_CHECK_KEY_EVERY_S = 1.0


class ChatResponse:
    """Turns a replica's events into the response to one request.

    Args:
        request: The request.
        events: Events of the replica; closing them ends the answer.
        token_meter: Charges the answer to the request's key.
        recorder: Records the request.
        writer: Makes the writer of the answer.
        require_active: Raises APIError once the request's key is revoked; called once a second.
        reports_cached: Whether usage reports the cached tokens of the prompt.
    """

    def __init__(
        self,
        request: GenerateRequest,
        events: AsyncGenerator[ReplicaEvent | Queued],
        token_meter: TokenMeter,
        recorder: RequestRecorder,
        *,
        writer: WriterFactory,
        require_active: Callable[[], None],
        reports_cached: bool,
    ) -> None:
        self._request = request
        self._replica_events = events
        self._token_meter = token_meter
        self._recorder = recorder
        self._make_writer = writer
        self._require_active = require_active
        self._key_checked_s = time.monotonic()
        self._reports_cached = reports_cached

    async def whole(self, headers: dict[str, str]) -> Response:
        """Returns the completion in one body.

        Args:
            headers: Headers of the response.

        Raises:
            APIError: If there is no answer.
        """
        writer = self._writer()
        async with aclosing(self._replica_events):
            async for item in self._replica_events:
                self._take(item, writer)
        self._recorder.complete(writer.text)
        body = orjson.dumps(writer.whole())
        return Response(body, headers=headers, media_type="application/json")

    async def stream(self, headers: dict[str, str], held: ExitStack) -> Response:
        """Returns the completion as a stream, once it has a replica or a place in a queue.

        An error before that has an HTTP status; a later one becomes an event.

        Args:
            headers: Headers of the response.
            held: What the stream holds; closed when it ends.

        Raises:
            APIError: If no replica takes it.
        """
        first = await self._first()
        events = with_keep_alive(self._stream_events(first), _KEEP_ALIVE_S)
        return _Stream(events, self._replica_events, held.pop_all(), headers)

    def _writer(self) -> AnswerWriter:
        return self._make_writer(self._reports_cached)

    def _take(self, item: ReplicaEvent | Queued, writer: AnswerWriter) -> None:
        """Charges, records and writes an event."""
        if isinstance(item, Started):
            writer.set_version(item.version)
            self._token_meter.charge_prompt(item.prompt_tokens)
        elif isinstance(item, Delta):
            self._add(item, writer)
        elif isinstance(item, ReplicaReport):
            self._recorder.add_report(item)

    def _add(self, delta: Delta, writer: AnswerWriter) -> None:
        now = time.monotonic()
        if now - self._key_checked_s >= _CHECK_KEY_EVERY_S:
            self._key_checked_s = now
            self._require_active()
        writer.add(delta)
        self._token_meter.charge_delta(delta.choice, delta.usage)
        if delta.usage is not None:
            self._recorder.add_usage(delta.usage)

    async def _first(self) -> ReplicaEvent | Queued:
        try:
            first = await anext(self._replica_events, None)
        except BaseException:
            await self._replica_events.aclose()
            raise
        if first is None:
            raise APIError("the model said nothing", fix="Ask again.", code=APIErrorCode.INTERNAL)
        return first

    async def _stream_events(self, first: ReplicaEvent | Queued) -> AsyncGenerator[bytes]:
        request_id = self._request.request_id
        writer = self._writer()
        is_started = False
        item: ReplicaEvent | Queued | None = first
        try:
            while item is not None:
                self._take(item, writer)
                if isinstance(item, Queued):
                    yield KEEP_ALIVE
                elif isinstance(item, Started) and not is_started:
                    is_started = True
                    yield writer.stream_start()
                elif isinstance(item, Delta) and (events := writer.stream_delta(item)):
                    yield events
                item = await anext(self._replica_events, None)
            self._recorder.complete(writer.text)
            yield writer.stream_end()
        except APIError as error:
            self._recorder.fail(error)
            yield writer.stream_error(error, request_id)
        except Exception as error:
            self._recorder.fail(error)
            _LOG.exception("request %s failed in its stream", request_id)
            failed = APIError("the server failed", fix="Ask again.", code=APIErrorCode.INTERNAL)
            yield writer.stream_error(failed, request_id)


class _Stream(StreamingResponse):
    """A stream that closes its sources and what it holds, however it ends."""

    def __init__(
        self,
        events: AsyncGenerator[bytes],
        replica_events: AsyncGenerator[ReplicaEvent | Queued],
        held: ExitStack,
        headers: dict[str, str],
    ) -> None:
        own = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events, headers=headers | own, media_type="text/event-stream")
        self._events = events
        self._replica_events = replica_events
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            async with aclosing(self._replica_events), aclosing(self._events):
                await super().__call__(scope, receive, send)


async def with_keep_alive(events: AsyncGenerator[bytes], every_s: float) -> AsyncGenerator[bytes]:
    """Adds comments to a stream while it is silent, so that no proxy closes it.

    Args:
        events: The events; they are closed with this generator.
        every_s: Seconds of silence after which a comment is sent. Clients ignore comments.

    Yields:
        Events and comments.
    """
    pending: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.create_task(_next(events))
            done, _ = await asyncio.wait({pending}, timeout=every_s)
            if not done:
                yield KEEP_ALIVE
                continue
            item, pending = pending.result(), None
            if item is None:
                return
            yield item
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.wait({pending})
        await events.aclose()


async def _next(events: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(events, None)
