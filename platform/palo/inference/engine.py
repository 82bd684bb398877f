"""What an engine answers when it can't take a request or can't finish one."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from palo.errors import PaloError, ResourceError
from palo.inference.request import Output, Request


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
    """Returns the error for a request that finds so many others waiting."""
    return EngineFullError(
        "too many requests wait for this model",
        seen=f"{num_waiting} waiting",
        fix=f"Try again in {retry_after_s:.0f} s.",
        retry_after_s=retry_after_s,
    )


class EngineFailedError(PaloError):
    """A step of the engine failed, and with it the requests that were in it."""


class EngineClosedError(PaloError):
    """The engine takes no more requests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """Sizes and bounds of an engine.

    Attributes:
        num_slots: Requests that are answered at once.
        max_context: Longest prompt with its answer, in tokens; the model's own limit if less.
        prefill_chunk: Places of prompts that a step computes at most. More of them make prompts a
            little faster and the wait between two tokens of a running answer longer.
        block_tokens: Tokens of a block, the unit in which prefixes are kept and found again.
        prefix_cache_bytes: Memory for kept blocks; 0 keeps none.
        max_waiting: Requests that may wait for a slot.
        static_decode: Gives the steps between prompts shapes that are always the same, and records
            them as CUDA graphs where the model is on a GPU.
        gpu_memory_share: With vLLM, the share of a GPU's memory that it may take.
        repack_weights: On a CPU, keeps a second copy of the language model's float32 weights, in an
            order that makes the steps between prompts up to a quarter faster.
    """

    num_slots: int = 8
    max_context: int = 4096
    prefill_chunk: int = 256
    block_tokens: int = 16
    prefix_cache_bytes: int = 512 * 2**20
    max_waiting: int = 64
    static_decode: bool = False
    gpu_memory_share: float = 0.85
    repack_weights: bool = True

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
    """Gauges of now and totals since the start.

    Attributes:
        num_waiting: Requests without a slot.
        num_running: Requests with one.
        num_slots: Slots there are.
        batch_size: Answers that the last step carried on.
        cached_bytes: Memory of the blocks that are kept for later requests.
        steps: Steps so far.
        prefill_tokens: Places of prompts that were computed.
        cached_tokens: Places of prompts that were known.
        decode_tokens: Ids that were generated.
        num_finished: Requests that ended, by finish reason.
        first_tokens: Requests that got a first id.
        first_token_s: Seconds until those, all together.
        step_s: Seconds of all steps together.
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


async def stream_outputs(engine: InferenceEngine, request: Request) -> AsyncGenerator[Output]:
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
