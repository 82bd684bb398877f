"""Streaming answers: their text so far, their speed, and an end at any moment."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from palo.api_errors import APIErrorCode
from palo.client import AsyncChatClient, ChatQuestion, EndpointError
from palo.client.answers import AnswerReader
from palo.errors import PaloError
from palo.webui.texts import PageTexts, notice

# Showing every token would cost the page more than the tokens themselves.
_SHOW_EVERY_S = 0.08
# Tokens that come together, as a proxy may send them, don't show how fast they were made.
_SHORTEST_SPAN_S = 0.05


@dataclass(kw_only=True, slots=True)
class AnswerProgress:
    """An answer so far.

    Attributes:
        text: Its text.
        reading: The server's facts about it; None before it began.
        first_s: Seconds until its first text; None before it.
        last_s: Seconds until its latest text.
        stopped: Whether the visitor stopped it.
        error: The error that it failed with.
    """

    text: str = ""
    reading: AnswerReader | None = None
    first_s: float | None = None
    last_s: float = 0.0
    stopped: bool = False
    error: EndpointError | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens of the answer; pieces of text where the server doesn't count."""
        if self.reading is None:
            return 0
        usage = self.reading.usage
        return usage.completion_tokens if usage is not None else self.reading.num_deltas

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second after the first one, or of all if they came together."""
        if self.first_s is None or self.last_s <= 0:
            return 0.0
        if self.last_s - self.first_s < _SHORTEST_SPAN_S:
            return self.num_tokens / self.last_s
        return max(0, self.num_tokens - 1) / (self.last_s - self.first_s)

    @property
    def language(self) -> str | None:
        """ISO code of the language that the server detected; None if it named none."""
        return self.reading.language if self.reading is not None else None

    @property
    def at_limit(self) -> bool:
        """Whether the answer ended because it was long enough."""
        return self.reading is not None and self.reading.finish_reason == "length"


async def progress_of(
    client: AsyncChatClient, question: ChatQuestion, stop: asyncio.Event
) -> AsyncIterator[AnswerProgress]:
    """Asks a question, and yields the progress of its answer; the last one is its end.

    Closing the iterator, as setting `stop` does, ends the answer on the server.

    Args:
        client: A client of the server; it is closed in the end, its shared connections are not.
        question: The question.
        stop: Set to end the answer.
    """
    progress = AnswerProgress()
    news = asyncio.Event()
    reader = asyncio.create_task(_read(client, question, progress, news))
    reader.add_done_callback(lambda _: news.set())
    stopper = asyncio.create_task(stop.wait())
    # At once: when the visitor has left, nothing below runs any more.
    stopper.add_done_callback(lambda _: reader.cancel())
    try:
        while not reader.done() and not stop.is_set():
            waiter = asyncio.create_task(news.wait())
            await asyncio.wait({waiter, stopper}, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            news.clear()
            if not reader.done() and not stop.is_set():
                yield progress
                await asyncio.wait({reader, stopper}, timeout=_SHOW_EVERY_S)
        progress.stopped = reader.cancelled() or not reader.done()
    finally:
        stopper.cancel()
        reader.cancel()
        await asyncio.wait({reader})
    if not reader.cancelled():
        reader.result()  # raises unexpected errors
    yield progress


async def _read(
    client: AsyncChatClient, question: ChatQuestion, progress: AnswerProgress, news: asyncio.Event
) -> None:
    started = time.monotonic()
    try:
        async with client, client.stream(question) as answer:
            progress.reading = answer.state
            async for text in answer:
                progress.text += text
                progress.last_s = time.monotonic() - started
                if progress.first_s is None:
                    progress.first_s = progress.last_s
                news.set()
    except EndpointError as error:
        progress.error = error


def speed_line(texts: PageTexts, progress: AnswerProgress) -> str:
    """Returns the line about an answer's speed; "" before its first text.

    Args:
        texts: Texts of the page's language.
        progress: The answer.
    """
    if progress.first_s is None:
        return ""
    return texts.speed(
        speed=progress.tokens_per_s, first_s=progress.first_s, count=progress.num_tokens
    )


def ending_notice(texts: PageTexts, progress: AnswerProgress) -> str:
    """Returns the notice for the end of an answer, as HTML; "" for one that came whole.

    Args:
        texts: Texts of the page's language.
        progress: The answer.
    """
    if progress.error is not None:
        return notice(texts.error(progress.error), "problem")
    if progress.stopped:
        return notice(texts["stopped"])
    return notice(texts["at_limit"]) if progress.at_limit else ""


def as_endpoint_error(error: PaloError) -> EndpointError:
    """Returns the error for an image that can't be sent, as if a server had refused it.

    Args:
        error: The error.
    """
    if isinstance(error, EndpointError):
        return error
    return EndpointError(
        error.fact, seen=error.seen, fix=error.fix, code=APIErrorCode.IMAGE_UNREADABLE
    )


class RunningAnswers:
    """The running answers, by open page.

    Args:
        max_of_visitor: Most answers of one visitor at once.
        max_of_all: Most answers of all visitors at once.
    """

    def __init__(self, max_of_visitor: int, max_of_all: int) -> None:
        self._max_of_visitor = max_of_visitor
        self._max_of_all = max_of_all
        self._stops: dict[str, set[asyncio.Event]] = {}
        self._num_running: Counter[str] = Counter()

    @contextmanager
    def begun(self, page: str, visitor: str) -> Iterator[asyncio.Event]:
        """Counts a new answer during the block; gives the event that ends it.

        Args:
            page: The open page.
            visitor: Name of its visitor.

        Raises:
            EndpointError: If too many run.
        """
        if self._num_running[visitor] >= self._max_of_visitor:
            raise _too_many(APIErrorCode.RATE_LIMIT_EXCEEDED)
        if self._num_running.total() >= self._max_of_all:
            raise _too_many(APIErrorCode.OVERLOADED)
        stop = asyncio.Event()
        self._stops.setdefault(page, set()).add(stop)
        self._num_running[visitor] += 1
        try:
            yield stop
        finally:
            self._num_running -= Counter([visitor])
            self._stops[page].discard(stop)
            if not self._stops[page]:
                del self._stops[page]

    def stop(self, page: str) -> None:
        """Ends all answers of a page.

        Args:
            page: The open page.
        """
        for stop in self._stops.get(page, ()):
            stop.set()

    def busy(self, page: str) -> bool:
        """Tells whether a page has a running answer.

        Args:
            page: The open page.
        """
        return page in self._stops


def _too_many(code: APIErrorCode) -> EndpointError:
    return EndpointError("too many answers run at once", code=code)
