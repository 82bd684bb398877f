"""What the ingress does with one request, from its bytes to its answer."""

import hashlib
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from palo.serve.accounting import Account
from palo.serve.guard.access import Access
from palo.serve.guard.allowances import Allowances
from palo.serve.guard.body_limit import BodyBounds, require_few_values
from palo.serve.guard.pictures import PictureReader
from palo.serve.guard.spending import Spending
from palo.serve.keep_alive import kept_alive
from palo.serve.observing.logs import RequestLog
from palo.serve.observing.metrics import Metrics
from palo.serve.protocol.ask import Ask, Item, Opened, Picture, Piece, Report
from palo.serve.protocol.bodies import AnswerWriter
from palo.serve.protocol.bounds import ProtocolBounds
from palo.serve.protocol.chat_request import ChatRequest
from palo.serve.protocol.conversation import ImagePlace, read_dialogue
from palo.serve.protocol.events import DONE, event
from palo.serve.protocol.reading import read_request, sampling_of
from palo.serve.refusal_codes import Refusal, RefusalCode
from palo.serve.relay import Attempt, Relay

_LOG = logging.getLogger(__name__)
_RETRY_AFTER_S = 1.0
_KEEP_ALIVE_S = 10.0


class Front:
    """Answers chat completions.

    Args:
        models: Names of the models.
        relay: Asks the replicas.
        bounds: How much one request may ask for.
        access: Who may ask.
        allowances: How much each may.
        pictures: Gets images from where requests say that they are.
        bodies: How many values a body may have.
        log: Where each request leaves a line.
        max_requests: Requests that are here at once.

    Attributes:
        models: Names of the models.
        metrics: What was counted.
    """

    def __init__(
        self,
        models: Sequence[str],
        relay: Relay,
        *,
        bounds: ProtocolBounds,
        access: Access,
        allowances: Allowances,
        pictures: PictureReader,
        bodies: BodyBounds,
        log: RequestLog,
        max_requests: int,
    ) -> None:
        self.models = tuple(models)
        self.metrics = Metrics(self.models)
        self._relay = relay
        self._bounds = bounds
        self._access = access
        self._allowances = allowances
        self._pictures = pictures
        self._bodies = bodies
        self._log = log
        self._max_requests = max_requests
        self._num_requests = 0

    @property
    def asks_for_keys(self) -> bool:
        """Whether requests need a key."""
        return self._access.asks_for_keys

    def require_key(self, request: Request) -> None:
        """Refuses a request without a good key.

        Raises:
            Refusal: If it has none.
        """
        self._access.of(request.headers.get("authorization"), request.headers.get("host"))

    async def chat(self, request: Request, request_id: str) -> Response:
        """Answers one request; see `palo.serve.protocol`.

        Args:
            request: The request.
            request_id: Names it.

        Raises:
            Refusal: If it can't be answered and nothing was said yet.
        """
        headers = request.headers
        with ExitStack() as stack:
            account = stack.enter_context(Account(self.metrics, self._log))
            key = self._access.of(headers.get("authorization"), headers.get("host"))
            account.owned(key.id)
            visit = stack.enter_context(self._allowances.admit(key))
            self._enter()
            stack.callback(self._leave)
            body = await request.body()
            require_few_values(body, self._bodies)
            asked = read_request(body, self._bounds)
            ask, language = await self._ask(asked, request_id, key.id)
            account.asked(ask, language)
            told = {"x-palo-language": language or "und"}
            items = self._relay.items(ask, keeps=bool(asked.stream))
            spending = Spending(visit, ask.num_choices)
            if asked.stream:
                writer = await _opened(items, ask, spending)
                events = _events(items, writer, asked, spending, account, request_id)
                ending = stack.pop_all()  # the visit lasts as long as the stream
                return _AnswerStream(events, items, ending, told)
            async with aclosing(items):
                return await _whole(items, ask, spending, account, told)

    async def _ask(self, asked: ChatRequest, request_id: str, owner: str) -> tuple[Ask, str | None]:
        """Returns what the replica is asked, and the language of the question."""
        if asked.model not in self.models:
            raise Refusal(
                "there is no such model here",
                seen=asked.model[:80],
                fix=f"There are {', '.join(self.models)}.",
                param="model",
                code=RefusalCode.MODEL_NOT_FOUND,
            )
        sampling = sampling_of(asked, self._bounds)
        dialogue = read_dialogue(asked.messages, asked.language, self._bounds.max_images)
        ask = Ask(
            request_id=request_id,
            model=asked.model,
            conversation=dialogue.conversation,
            pictures=await self._read_pictures(dialogue.images),
            sampling=sampling,
            num_choices=asked.n or 1,
            owner=owner,
        )
        return ask, dialogue.language

    async def _read_pictures(self, places: Sequence[ImagePlace]) -> tuple[Picture, ...]:
        files = [await self._pictures.read(place.url, place.param) for place in places]
        return tuple(
            Picture(image_id=hashlib.sha256(data).hexdigest(), data=data, param=place.param)
            for place, data in zip(places, files, strict=True)
        )

    def _enter(self) -> None:
        if self._num_requests >= self._max_requests:
            raise Refusal(
                "too many requests are here at once",
                fix=f"Try again in {_RETRY_AFTER_S:.0f} s.",
                code=RefusalCode.OVERLOADED,
                retry_after_s=_RETRY_AFTER_S,
            )
        self._num_requests += 1

    def _leave(self) -> None:
        self._num_requests -= 1


def _writer(ask: Ask, version: str) -> AnswerWriter:
    with_logprobs = ask.sampling.num_logprobs is not None
    return AnswerWriter(ask.model, version, ask.num_choices, with_logprobs=with_logprobs)


async def _whole(
    items: AsyncGenerator[Item | Attempt],
    ask: Ask,
    spending: Spending,
    account: Account,
    headers: dict[str, str],
) -> Response:
    writer = _writer(ask, "")
    async for item in items:
        if isinstance(item, Opened):  # another try starts an answer anew
            writer = _writer(ask, item.version)
            spending.began(item.prompt_tokens)
        elif isinstance(item, Piece):
            _take(item, writer, spending, account)
        elif isinstance(item, Report):
            account.reported(item)
    account.answered(writer.text)
    return Response(orjson.dumps(writer.whole()), headers=headers, media_type="application/json")


def _take(piece: Piece, writer: AnswerWriter, spending: Spending, account: Account) -> None:
    writer.add(piece)
    spending.said(piece.choice, piece.usage)
    if piece.usage is not None:
        account.took(piece.usage)


async def _opened(
    items: AsyncGenerator[Item | Attempt], ask: Ask, spending: Spending
) -> AnswerWriter:
    """Waits until a replica has taken the request, so that what it refuses has a status of HTTP."""
    try:
        async for item in items:
            if isinstance(item, Opened):
                spending.began(item.prompt_tokens)
                return _writer(ask, item.version)
    except BaseException:
        await items.aclose()
        raise
    raise Refusal("the model said nothing", fix="Ask again.", code=RefusalCode.INTERNAL)


async def _events(
    items: AsyncGenerator[Item | Attempt],
    writer: AnswerWriter,
    asked: ChatRequest,
    spending: Spending,
    account: Account,
    request_id: str,
) -> AsyncGenerator[bytes]:
    """Yields the events of a stream; what goes wrong becomes one of them."""
    try:
        yield b"".join(event(chunk) for chunk in writer.opening())
        async for item in items:
            if isinstance(item, Piece):
                _take(item, writer, spending, account)
                yield b"".join(event(chunk) for chunk in writer.chunks(item))
            elif isinstance(item, Report):
                account.reported(item)
        account.answered(writer.text)
        if asked.wants_usage_event:
            yield event(writer.usage_chunk())
    except Refusal as refusal:
        account.failed(refusal)
        yield event(refusal.body(request_id))
    except Exception as error:
        account.failed(error)
        _LOG.exception("request %s failed in its stream", request_id)
        failed = Refusal("the server failed", fix="Ask again.", code=RefusalCode.INTERNAL)
        yield event(failed.body(request_id))
    yield DONE


class _AnswerStream(StreamingResponse):
    """A stream that gives back what it holds, however it ends."""

    def __init__(
        self,
        events: AsyncGenerator[bytes],
        items: AsyncGenerator[Item | Attempt],
        ending: ExitStack,
        headers: dict[str, str],
    ) -> None:
        own = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        events = kept_alive(events, _KEEP_ALIVE_S)
        super().__init__(events, headers=headers | own, media_type="text/event-stream")
        self._events = events
        self._items = items
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._ending:
            async with aclosing(self._items), aclosing(self._events):
                await super().__call__(scope, receive, send)
