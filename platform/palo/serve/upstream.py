"""Models of other OpenAI-compatible servers behind this endpoint, such as vLLM by itself.

Such a model is one more call for `ReplicaClient`: keys, limits, bounds, errors, metrics and the log
are those of any model here. What the server can't continue is not begun again.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palo.api_errors import APIError, APIErrorCode
from palo.client.answers import AnswerReader
from palo.client.chat_client import AsyncChatClient
from palo.client.endpoint import Endpoint
from palo.client.errors import ClientErrorCode, EndpointError
from palo.client.questions import ChatQuestion, ImageContent, Message
from palo.endpoint.credentials import address_faults
from palo.errors import ConfigError, ImageError
from palo.inference.request import TokenUsage
from palo.serve.protocol.generate import Delta, GenerateRequest, ReplicaEvent, Started

if TYPE_CHECKING:  # it loads Ray Serve, which settings of an endpoint don't need
    from palo.serve.replica_client import ReplicaCall

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 64
_RETRY_AFTER_S = 10.0
# What the server says of a request is its client's business; the rest is the operator's.
_PASSED_ON = frozenset(
    {
        APIErrorCode.INVALID_REQUEST,
        APIErrorCode.CONTEXT_LENGTH_EXCEEDED,
        APIErrorCode.BODY_TOO_LARGE,
        APIErrorCode.IMAGE_UNREADABLE,
        APIErrorCode.IMAGE_TOO_LARGE,
        APIErrorCode.TOO_MANY_IMAGES,
        APIErrorCode.TIMEOUT,
    }
)
_BUSY = frozenset({APIErrorCode.RATE_LIMIT_EXCEEDED, APIErrorCode.OVERLOADED})
_AWAY = frozenset({ClientErrorCode.UNREACHABLE, ClientErrorCode.CUT_OFF, APIErrorCode.REPLICA_LOST})


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamSource:
    """A model that another server serves.

    Attributes:
        name: Its name for clients of this endpoint.
        url: Address of the server, with or without `/v1` at the end.
        model: Its name there; the same by default.
        key_variable: Environment variable with the server's key, on the machine of the ingress;
            empty for a server that asks for none.
        allow_insecure_http: Allows sending that key over http:// to another machine.
    """

    name: str
    url: str
    model: str = ""
    key_variable: str = ""
    allow_insecure_http: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is wrong."""
        if not self.name:
            yield "name is empty"
        yield from address_faults(self.url)

    def endpoint(self) -> Endpoint:
        """Returns the server with its key.

        Raises:
            ConfigError: If the variable isn't set.
        """
        key = os.environ.get(self.key_variable) if self.key_variable else None
        if self.key_variable and not key:
            raise ConfigError(
                f"the model {self.name} needs a key that isn't there",
                seen=self.key_variable,
                fix="Set this variable where the ingress runs, before Ray is started there.",
            )
        return Endpoint(url=self.url, api_key=key, allow_insecure_http=self.allow_insecure_http)


def upstream_calls(sources: Iterable[UpstreamSource]) -> "dict[str, ReplicaCall]":
    """Returns the call of each model, by its name.

    Args:
        sources: The models.

    Raises:
        ConfigError: If a key is missing, or may not be sent there.
    """
    return {source.name: _Upstream(source) for source in sources}


class _Upstream:
    """Asks a server; connections are kept."""

    def __init__(self, source: UpstreamSource) -> None:
        self._source = source
        self._client = AsyncChatClient(source.endpoint())

    def __call__(self, request: GenerateRequest) -> "_Coming":
        return _Coming(self._events(request))

    async def _events(self, request: GenerateRequest) -> AsyncGenerator[ReplicaEvent]:
        """Yields the events of an answer; an error is the last of them."""
        has_begun = False
        began_s = time.monotonic()
        first_s: float | None = None
        try:
            question = _question(request, self._source.model or self._source.name)
            async with self._client.stream(question) as answer:
                yield Started(version="")
                async for text in answer:
                    has_begun = True
                    first_s = first_s or time.monotonic() - began_s
                    yield Delta(text=text)
                yield _end(answer.state, began_s, first_s)
        except EndpointError as error:
            _LOG.warning("request %s: %s: %s", request.request_id, self._source.url, error)
            yield _as_api_error(error, self._source.name, has_begun=has_begun)
        except APIError as error:
            yield error


class _Coming:
    """The stream of events, as `ReplicaClient` takes it: in lists, and cancelled at any time."""

    def __init__(self, events: AsyncGenerator[ReplicaEvent]) -> None:
        self._waiting: asyncio.Queue[ReplicaEvent | Exception | None] = asyncio.Queue(_MOST_WAITING)
        self._pump = asyncio.ensure_future(self._pumped(events))

    async def _pumped(self, events: AsyncGenerator[ReplicaEvent]) -> None:
        # In a task of its own: a generator that waits can't be closed by others.
        try:
            async for event in events:
                await self._waiting.put(event)
        except Exception as error:  # raised again where the events are taken
            await self._waiting.put(error)
        await self._waiting.put(None)

    async def __anext__(self) -> list[ReplicaEvent]:
        event = await self._waiting.get()
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, Exception) and not isinstance(event, APIError):
            raise event
        return [event]

    def cancel(self) -> None:
        """Ends the answer, also on the server."""
        self._pump.cancel()


def _question(request: GenerateRequest, model: str) -> ChatQuestion:
    """Returns a request for the server.

    Raises:
        APIError: If it asks for what isn't passed on.
    """
    sampling = request.sampling
    for param, is_asked in (
        ("n", request.num_choices > 1),
        ("logprobs", sampling.num_logprobs is not None),
    ):
        if is_asked:
            raise APIError(
                f"this model is served elsewhere, and {param} isn't passed on",
                fix="Leave it out, or ask another model.",
                param=param,
                code=APIErrorCode.INVALID_REQUEST,
            )
    more: dict[str, object] = {}
    if sampling.top_k:
        more["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1:
        more["repetition_penalty"] = sampling.repetition_penalty
    return ChatQuestion(
        model=model,
        messages=_messages(request),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        stop=sampling.stop,
        seed=sampling.seed,
        more=more,
    )


def _messages(request: GenerateRequest) -> list[Message]:
    conversation = request.conversation
    messages = []
    if conversation.system:
        messages.append(Message(role="system", text=conversation.system))
    images = iter(request.images)
    for turn in conversation.turns:
        files = []
        for image, _ in zip(images, range(turn.num_images), strict=False):
            try:
                files.append(ImageContent.of(image.data, image.param))
            except ImageError as error:
                raise APIError(
                    error.fact,
                    fix=error.fix,
                    param=image.param,
                    code=APIErrorCode.IMAGE_UNREADABLE,
                ) from error
        messages.append(Message(role=turn.role, text=turn.text, images=tuple(files)))
    return messages


def _end(state: AnswerReader, began_s: float, first_s: float | None) -> Delta:
    usage = state.usage
    return Delta(
        finish="length" if state.finish_reason == "length" else "stop",
        usage=TokenUsage(
            prompt_tokens=usage.prompt_tokens if usage else 0,
            # A server that doesn't count sends a token or so at a time.
            completion_tokens=usage.completion_tokens if usage else state.num_deltas,
            cached_tokens=0,
            queue_s=0.0,
            first_token_s=first_s,
            total_s=time.monotonic() - began_s,
        ),
    )


def _as_api_error(error: EndpointError, model: str, *, has_begun: bool) -> APIError:
    """Returns what a client of this endpoint is told of an error of the server."""
    code: Any = error.code
    if code in _PASSED_ON:
        message = str(error.seen or error.fact)
        if "context length" in message.lower():
            code = APIErrorCode.CONTEXT_LENGTH_EXCEEDED
        return APIError(message, code=code)
    if code in _BUSY:
        return APIError(
            "too many requests wait for this model",
            fix="Try again later.",
            code=APIErrorCode.OVERLOADED,
            retry_after_s=error.retry_after_s or _RETRY_AFTER_S,
        )
    if code in _AWAY and not has_begun:  # ReplicaClient tries again
        return APIError(
            "the server of this model can't be reached",
            seen=model,
            code=APIErrorCode.REPLICA_LOST,
            retry_after_s=_RETRY_AFTER_S,
        )
    fact = "the server of this model broke off" if has_begun else "the server of this model failed"
    return APIError(fact, seen=model, fix="Ask again.", code=APIErrorCode.INTERNAL)
