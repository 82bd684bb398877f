"""vLLM as the engine, for GPUs: it runs the plain language model on prompt embeddings.

Vision tower, projector and token embedding run here, so that every projector works, MobilePALO's
too. vLLM is an optional extra in an environment of its own, since it needs other versions of
transformers than we pin (docs/cluster.md). Text, stop texts, limits and token counts are computed
here, as for the built-in engine. There are three differences: a repetition penalty covers the
answer alone, as vLLM knows no ids of the prompt; adapters are merged, so that each model has its
own base; and an answer with a seed that another engine has begun goes on with other random numbers.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from palo.errors import ConfigError
from palo.inference.engine import (
    EngineClosedError,
    EngineFailedError,
    EngineSettings,
    EngineStats,
    Listener,
    queue_full_error,
    stream_outputs,
)
from palo.inference.request import Output, Request
from palo.inference.request_preparer import RequestPreparer
from palo.inference.sequence import SequenceState
from palo.inference.vllm_conversion import (
    engine_arguments,
    prompt_for,
    sampling_params,
    tokens_from,
)
from palo.text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

_LOG = logging.getLogger(__name__)
_RETRY_S = 2.0


class VllmEngine:
    """Runs vLLM on the event loop of a thread of its own.

    Args:
        model: The model; only its vision tower, projector and token embedding are used.
        tokenizer: Its tokenizer.
        settings: Sizes; vLLM sizes its KV cache by itself.
        language_model: Folder of the same language model, merged, in Hugging Face's format.

    Raises:
        ConfigError: If vLLM isn't installed, or a setting is out of range.
    """

    def __init__(
        self,
        model: "PaloForConditionalGeneration",
        tokenizer: TextTokenizer,
        settings: EngineSettings,
        language_model: Path,
    ) -> None:
        self._model = model
        self._settings = settings
        self._preparer = RequestPreparer(model.config, tokenizer, settings, {})
        arguments = engine_arguments(
            settings, self._preparer.max_context, language_model, model.dtype
        )
        # A model may have more rows than its tokenizer has ids.
        num_ids = self._preparer.vocab_size
        has_more = model.config.text_config.vocab_size > num_ids
        self._allowed_ids = list(range(num_ids)) if has_more else None
        self._lock = threading.Lock()
        self._open: set[int] = set()
        # The next two are used by the loop's thread alone.
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._started_numbers: set[int] = set()
        self._totals: Counter[str] = Counter()
        self._finished: Counter[str] = Counter()
        self._first_token_s = 0.0
        self._is_closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="palo-vllm", daemon=True
        )
        self._thread.start()
        self._vllm = asyncio.run_coroutine_threadsafe(_started(arguments), self._loop).result()

    def __enter__(self) -> "VllmEngine":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether it takes requests, and vLLM's own process lives."""
        return self._thread.is_alive() and not self._is_closed and not self._vllm.errored

    def submit(self, request: Request, listener: Listener) -> int:
        """See InferenceEngine."""
        sequence = self._preparer.prepare(request)
        with self._lock:
            if self._is_closed:
                raise EngineClosedError(
                    "this model takes no more requests", fix="Ask another replica of it."
                )
            num_waiting = len(self._open) - self._settings.num_slots
            if num_waiting >= self._settings.max_waiting:
                raise queue_full_error(num_waiting, _RETRY_S)
            self._open.add(sequence.number)
            self._loop.call_soon_threadsafe(self._begin, sequence, listener)
        return sequence.number

    def cancel(self, number: int) -> None:
        """See InferenceEngine."""
        with self._lock:
            if number in self._open:
                self._loop.call_soon_threadsafe(self._cancel, number)

    def stream(self, request: Request) -> AsyncGenerator[Output]:
        """See InferenceEngine."""
        return stream_outputs(self, request)

    def stats(self) -> EngineStats:
        """See InferenceEngine; vLLM reports neither steps nor the memory of its cache."""
        with self._lock:
            num_open = len(self._open)
            num_running = min(num_open, self._settings.num_slots)
            return EngineStats(
                num_waiting=num_open - num_running,
                num_running=num_running,
                num_slots=self._settings.num_slots,
                batch_size=num_running,
                cached_bytes=0,
                steps=0,
                prefill_tokens=self._totals["prefill_tokens"],
                cached_tokens=self._totals["cached_tokens"],
                decode_tokens=self._totals["decode_tokens"],
                num_finished=dict(self._finished),
                first_tokens=self._totals["first_tokens"],
                first_token_s=self._first_token_s,
                step_s=0.0,
            )

    def close(self) -> None:
        """See InferenceEngine."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
        if was_closed:
            return
        asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result()
        self._vllm.shutdown()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_all(self) -> None:
        """Cancels all requests, and waits for their last outputs."""
        tasks = list(self._tasks.values())
        for number in list(self._tasks):
            self._cancel(number)
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, sequence: SequenceState, listener: Listener) -> None:
        task = self._loop.create_task(self._generate(sequence, listener))
        self._tasks[sequence.number] = task

    def _cancel(self, number: int) -> None:
        """Cancels a request; one whose task hasn't started is cancelled after its start.

        Otherwise its task would end without a last output.
        """
        if number in self._started_numbers:
            self._tasks[number].cancel()
        elif number in self._tasks:
            self._loop.call_soon(self._cancel, number)

    async def _generate(self, sequence: SequenceState, listener: Listener) -> None:
        self._started_numbers.add(sequence.number)
        try:
            output = await self._stream_outputs(sequence, listener)
        except asyncio.CancelledError:
            output = sequence.finish("cancelled")
        except Exception as error:
            _LOG.exception("a request failed in vLLM")
            failed = EngineFailedError(
                "the model failed while it answered",
                seen=type(error).__name__,
                fix="Ask again; if it fails again, see the server's log.",
            )
            output = Output(finish="error", error=failed)
        del self._tasks[sequence.number]
        self._started_numbers.discard(sequence.number)
        with self._lock:
            self._open.discard(sequence.number)
            self._finished[output.finish or ""] += 1
        self._notify(listener, output)

    async def _stream_outputs(self, sequence: SequenceState, listener: Listener) -> Output:
        """Passes all outputs to the listener but the last, which is returned."""
        sequence.start(0)
        prompt = await asyncio.to_thread(prompt_for, self._model, sequence)
        sampling = sampling_params(sequence, self._allowed_ids)
        outputs = self._vllm.generate(prompt, sampling, request_id=f"palo-{sequence.number}")
        async with aclosing(outputs):
            async for output_part in outputs:
                sequence.num_cached = output_part.num_cached_tokens or 0
                for token in tokens_from(
                    output_part.outputs[0], sequence.request.sampling.num_logprobs
                ):
                    is_first = not sequence.is_decoding
                    output = sequence.append(token)
                    self._count(sequence, is_first=is_first)
                    if output.finish:
                        return output
                    if not self._notify(listener, output):
                        return sequence.finish("cancelled")
        return sequence.finish("length")

    def _count(self, sequence: SequenceState, *, is_first: bool) -> None:
        with self._lock:
            self._totals["decode_tokens"] += 1
            if is_first:
                self._totals["first_tokens"] += 1
                self._totals["cached_tokens"] += sequence.num_cached
                self._totals["prefill_tokens"] += len(sequence.prompt) - sequence.num_cached
                self._first_token_s += sequence.first_token_s or 0.0

    def _notify(self, listener: Listener, output: Output) -> bool:
        """Passes an output to the listener; returns False if that fails."""
        try:
            listener(output)
        except Exception:
            # The caller is gone, for example with its event loop.
            _LOG.warning("a listener failed; its request is cancelled", exc_info=True)
            return False
        return True


async def _started(arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - a class of vLLM's
    try:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        raise ConfigError(
            "vLLM isn't installed here",
            seen=str(error),
            fix="Use the built-in engine, or an environment with vLLM (see docs/cluster.md).",
        ) from error
    return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))


def write_language_model(model: "PaloForConditionalGeneration", folder: Path) -> None:
    """Writes a model's language model for vLLM, and drops its layers from memory.

    Args:
        model: The model, merged; its language model's layers are gone afterwards.
        folder: Folder to write to.
    """
    model.language_model.save_pretrained(folder)
    model.language_model.model.layers = torch.nn.ModuleList()
