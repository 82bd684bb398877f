"""The interface that every engine has: its protocol, settings, statistics and errors."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from palo.errors import PaloError, ResourceError
from palo.inference.request import Output, Request

Listener = Callable[[Output], None]
"""Receives the outputs of one request, in order, on a thread of the engine; it must not block."""


class EngineFullError(ResourceError):
    """The queue is full; the same request can be taken later.

    Args:
        fact: See `PaloError`.
        seen: See `PaloError`.
        fix: See `PaloError`.
        retry_after_s: Seconds after which another try is sensible.
    """

    def __init__(
        self, fact: str, *, seen: object = "", fix: str = "", retry_after_s: float = 1.0
    ) -> None:
        super().__init__(fact, seen=seen, fix=fix)
        self.retry_after_s = retry_after_s


def queue_full_error(num_waiting: int, retry_after_s: float) -> EngineFullError:
    """Returns the error for a request that is refused because of the queue's length.

    Args:
        num_waiting: Length of the queue.
        retry_after_s: Seconds after which another try is sensible.
    """
    return EngineFullError(
        "too many requests wait for this model",
        seen=f"{num_waiting} waiting",
        fix=f"Try again in {retry_after_s:.0f} s.",
        retry_after_s=retry_after_s,
    )


class EngineFailedError(PaloError):
    """A step of the engine failed, and with it the sequences of that step."""


class EngineClosedError(PaloError):
    """The engine takes no more requests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """Sizes and bounds of an engine.

    A replica takes fewer slots and a smaller prefix cache where its memory is short.

    Attributes:
        num_slots: Sequences that are computed at once.
        max_context: Longest prompt with its answer, in tokens; the model's own limit if less.
        prefill_chunk: Most prompt tokens of a step. A larger chunk makes prompts a little faster
            and the time between two tokens of a running answer longer.
        block_tokens: Tokens of a block, the unit of the prefix cache.
        prefix_cache_bytes: Memory of the prefix cache; 0 for none.
        max_waiting: Requests that may wait for a slot.
        static_decode: Rounds decode steps up to a few static shapes, recorded as CUDA graphs where
            the model is on a GPU.
        gpu_memory_share: With vLLM, the share of a GPU's memory that it may take.
        cpu_kernels: On a CPU, computes a float32 language model by the engine's own kernels, which
            keep a second copy of its weights and need a C++ compiler at the first start.
    """

    num_slots: int = 8
    max_context: int = 4096
    prefill_chunk: int = 256
    block_tokens: int = 16
    prefix_cache_bytes: int = 512 * 2**20
    max_waiting: int = 64
    static_decode: bool = False
    gpu_memory_share: float = 0.85
    cpu_kernels: bool = True

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("num_slots", "max_context", "block_tokens", "max_waiting"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, it must be at least 1"
        if self.prefill_chunk < self.block_tokens or self.prefill_chunk % self.block_tokens:
            yield (
                f"prefill_chunk is {self.prefill_chunk}, it must be a multiple of block_tokens, "
                f"{self.block_tokens}"
            )
        if not 0 < self.gpu_memory_share <= 1:
            yield f"gpu_memory_share is {self.gpu_memory_share}, it must be above 0 and at most 1"
        if self.prefix_cache_bytes < 0:
            yield f"prefix_cache_bytes is {self.prefix_cache_bytes}, it can't be negative"


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineStats:
    """Current gauges, and totals since the start.

    Attributes:
        num_waiting: Requests that wait for a slot.
        num_running: Sequences that have one.
        num_slots: Slots.
        batch_size: Sequences that got a token in the last step.
        cached_bytes: Used memory of the prefix cache.
        steps: Steps so far.
        prefill_tokens: Prompt tokens that were computed.
        cached_tokens: Prompt tokens that the prefix cache held.
        decode_tokens: Tokens that were generated.
        num_finished: Finished sequences by finish reason.
        first_tokens: Sequences that got a first token.
        first_token_s: Seconds until these first tokens, summed.
        step_s: Seconds of all steps, summed.
    """

    num_waiting: int
    num_running: int
    num_slots: int
    batch_size: int
    cached_bytes: int
    steps: int
    prefill_tokens: int
    cached_tokens: int
    decode_tokens: int
    num_finished: dict[str, int]
    first_tokens: int
    first_token_s: float
    step_s: float


class InferenceEngine(Protocol):
    """Generates answers to many requests at once. Its methods may be called from any thread."""

    def submit(self, request: Request, listener: Listener) -> int:
        """Queues a request; its outputs go to the listener, the last one with a finish reason.

        Args:
            request: The request.
            listener: Receives the outputs.

        Returns:
            A number to cancel it with.

        Raises:
            ConfigError: If its sampling settings are out of range.
            DataError: If the prompt is too long or names an unknown adapter.
            EngineFullError: If too many requests wait.
            EngineClosedError: If the engine was closed.
        """

    def cancel(self, number: int) -> None:
        """Ends a request before the next step, which frees its slot.

        Args:
            number: As `submit` returned it; one that has ended is ignored.
        """

    def stream(self, request: Request) -> AsyncGenerator[Output]:
        """Submits a request and yields its outputs; closing the generator cancels it.

        Args:
            request: The request.

        Raises:
            ConfigError: As `submit`, at the first output.
            DataError: As `submit`.
            EngineFullError: As `submit`.
            EngineClosedError: As `submit`.
        """

    def stats(self) -> EngineStats:
        """Returns current gauges, and totals since the start."""

    @property
    def is_running(self) -> bool:
        """Whether it takes requests and computes them."""

    def close(self) -> None:
        """Cancels all requests, and takes no more."""


async def stream_outputs(engine: InferenceEngine, request: Request) -> AsyncGenerator[Output]:
    """Implements `InferenceEngine.stream` with `submit` and `cancel`.

    Args:
        engine: The engine.
        request: The request.

    Yields:
        The outputs, the last one with a finish reason.
    """
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
