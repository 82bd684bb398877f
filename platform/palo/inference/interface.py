"""What every engine does, whoever computes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from palo.inference.request import Output, Request
from palo.inference.stats import EngineStats

Listener = Callable[[Output], None]
"""Takes the outputs of one request, in order, on a thread of the engine; it must not block."""


class InferenceEngine(Protocol):
    """Answers many requests at once. Its methods may be called from any thread."""

    def submit(self, request: Request, listener: Listener) -> int:
        """Takes a request; its outputs go to the listener, the last one with a finish reason.

        Args:
            request: What is wanted.
            listener: Who gets the outputs.

        Returns:
            A number to cancel it with.

        Raises:
            ConfigError: If its sampling settings are out of range.
            DataError: If the prompt can't be answered: too long, images that don't fit, an
                adapter that isn't there.
            EngineFullError: If too many requests wait.
            EngineClosedError: If the engine was closed.
        """

    def cancel(self, number: int) -> None:
        """Ends a request before the next step; its slot is free then. Others are not touched."""

    def stream(self, request: Request) -> AsyncGenerator[Output]:
        """Takes a request and yields its outputs; closing the generator cancels it.

        Raises:
            ConfigError: As `submit`, at the first output.
            DataError: As `submit`.
            EngineFullError: As `submit`.
            EngineClosedError: As `submit`.
        """

    def stats(self) -> EngineStats:
        """Returns what the engine has done so far and what it holds now."""

    @property
    def is_running(self) -> bool:
        """Whether it takes requests and can answer them."""

    def close(self) -> None:
        """Ends the requests that are still there as cancelled, and takes no more."""


async def streamed(engine: InferenceEngine, request: Request) -> AsyncGenerator[Output]:
    """What `InferenceEngine.stream` does, for any engine that can submit and cancel."""
    loop = asyncio.get_running_loop()
    outputs: asyncio.Queue[Output] = asyncio.Queue()

    def pass_on(output: Output) -> None:
        loop.call_soon_threadsafe(outputs.put_nowait, output)

    number = engine.submit(request, pass_on)
    try:
        while True:
            output = await outputs.get()
            yield output
            if output.finish:
                return
    finally:
        engine.cancel(number)
