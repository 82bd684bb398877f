"""Continuous batching: sequences join and leave the batch between steps."""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo import config
from palo.inference.adapters import Adapter
from palo.inference.engine import EngineSettings, EngineStats
from palo.inference.kv_cache import KVCache, PrefixCache
from palo.inference.model_runner import ModelRunner
from palo.inference.planning import plan_step
from palo.inference.request import Output, Request
from palo.inference.request_preparer import RequestPreparer
from palo.inference.sampler import sample_tokens
from palo.inference.sequence import SequenceState
from palo.text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration


class Scheduler:
    """The built-in engine's scheduler. One thread steps it; only `prepare` may run on others.

    Args:
        model: The model, in evaluation mode; its weights are shared, not copied.
        tokenizer: Its tokenizer.
        settings: Sizes and bounds; `max_waiting` is enforced by the caller of `add`.
        adapters: Adapters that requests may name, loaded for this model.

    Raises:
        ConfigError: If a setting is out of range.
        MismatchError: If the model's computed tokens can't be cached.
    """

    def __init__(
        self,
        model: "PaloForConditionalGeneration",
        tokenizer: TextTokenizer,
        settings: EngineSettings | None = None,
        adapters: Mapping[str, Adapter] | None = None,
    ) -> None:
        self.settings = settings or EngineSettings()
        config.check(self.settings)
        self._preparer = RequestPreparer(
            model.config, tokenizer, self.settings, dict(adapters or {})
        )
        self.max_context = self._preparer.max_context
        cache = KVCache(
            model.config.text_config,
            self.settings.num_slots,
            self.max_context,
            model.dtype,
            model.device,
        )
        self._prefix_cache = PrefixCache(
            cache, self.settings.block_tokens, self.settings.prefix_cache_bytes
        )
        self._model_runner = ModelRunner(model, cache, self._preparer.vocab_size, self.settings)
        self._free = list(range(self.settings.num_slots))
        self._waiting: OrderedDict[int, SequenceState] = OrderedDict()
        self._running: dict[int, SequenceState] = {}
        self._totals: Counter[str] = Counter()
        self._finished: Counter[str] = Counter()
        self._first_token_s = 0.0
        self._step_s = 0.0
        self._batch_size = 0
        self._service_s: deque[float] = deque(maxlen=32)

    def prepare(self, request: Request) -> SequenceState:
        """Checks a request and makes its sequence, for `add`; may run on any thread.

        Args:
            request: The request.

        Raises:
            ConfigError: If its sampling settings are out of range.
            DataError: If it is too long, or names an unknown adapter.
            ValueError: If images don't fit the prompt, or ids are none of the model's.
        """
        return self._preparer.prepare(request)

    def add(self, sequence: SequenceState) -> None:
        """Queues a sequence for a slot.

        Args:
            sequence: As `prepare` returned it.
        """
        self._waiting[sequence.number] = sequence

    def cancel(self, number: int) -> tuple[SequenceState, Output] | None:
        """Ends a sequence and frees its slot.

        Args:
            number: The sequence's number.

        Returns:
            The sequence and its last output; None if it has ended already.
        """
        sequence = self._waiting.get(number) or self._running.get(number)
        return (
            None
            if sequence is None
            else (sequence, self._end(sequence, sequence.finish("cancelled")))
        )

    @property
    def has_work(self) -> bool:
        """Whether any sequence is waiting or running."""
        return bool(self._waiting or self._running)

    @property
    def running(self) -> list[SequenceState]:
        """Sequences that have a slot, oldest first."""
        return list(self._running.values())

    @property
    def num_waiting(self) -> int:
        """Sequences that wait for a slot."""
        return len(self._waiting)

    @property
    def num_free(self) -> int:
        """Free slots."""
        return len(self._free)

    @torch.inference_mode()
    def step(self) -> list[tuple[SequenceState, Output]]:
        """Decodes a token for every decoding sequence, and prefills a chunk of prompts.

        Returns:
            The sequences that got a token, with their outputs.
        """
        started = time.perf_counter()
        self._admit()
        parts = plan_step(
            self.running,
            self.settings.prefill_chunk,
            self.settings.block_tokens,
            shares=self._prefix_cache.num_blocks > 0,
        )
        if not parts:
            return []
        ready, logits = self._model_runner.compute(parts, self.running)
        for sequence, length in parts:
            if not sequence.is_decoding:
                self._totals["prefill_tokens"] += length
            sequence.num_computed += length
            self._store_blocks(sequence)
        outputs = [] if logits is None else self._append_tokens(ready, logits)
        self._totals["steps"] += 1
        self._totals["decode_tokens"] += len(ready)
        self._batch_size = len(ready)
        self._step_s += time.perf_counter() - started
        return outputs

    def run(self, requests: Sequence[Request]) -> Generator[tuple[int, Output]]:
        """Generates the answers to requests on this thread; closing the generator cancels the rest.

        Args:
            requests: The requests.

        Yields:
            The index of a request, and an output of it.

        Raises:
            ConfigError: As `prepare`.
            DataError: As `prepare`.
        """
        prepared = [self.prepare(request) for request in requests]
        places = {sequence.number: place for place, sequence in enumerate(prepared)}
        for sequence in prepared:
            self.add(sequence)
        try:
            while self.has_work:
                for sequence, output in self.step():
                    yield places[sequence.number], output
        finally:
            for number in places:
                self.cancel(number)

    def abort_running(self) -> list[SequenceState]:
        """Ends and returns all running sequences, after a step that failed."""
        dropped = self.running
        for sequence in dropped:
            self._end(sequence, sequence.finish("error"))
        return dropped

    def expected_wait_s(self, num_waiting: int) -> float:
        """Estimates the seconds until a queue has got slots.

        Args:
            num_waiting: Length of the queue.
        """
        known = list(self._service_s)  # a copy, since another thread may append to it
        typical = sum(known) / len(known) if known else 1.0
        return min(60.0, max(1.0, typical * num_waiting / self.settings.num_slots))

    def stats(self) -> EngineStats:
        """Returns current gauges, and totals since the start."""
        return EngineStats(
            num_waiting=len(self._waiting),
            num_running=len(self._running),
            num_slots=self.settings.num_slots,
            batch_size=self._batch_size,
            cached_bytes=self._prefix_cache.used_bytes,
            steps=self._totals["steps"],
            prefill_tokens=self._totals["prefill_tokens"],
            cached_tokens=self._totals["cached_tokens"],
            decode_tokens=self._totals["decode_tokens"],
            num_finished=dict(self._finished),
            first_tokens=self._totals["first_tokens"],
            first_token_s=self._first_token_s,
            step_s=self._step_s,
        )

    def _admit(self) -> None:
        while self._free and self._waiting:
            _, sequence = self._waiting.popitem(last=False)
            # The lowest slot, so that used slots are adjacent.
            slot = min(self._free)
            self._free.remove(slot)
            sequence.start(slot)
            self._running[sequence.number] = sequence
        for sequence in self._running.values():
            if not sequence.is_decoding:
                self._restore(sequence)

    def _restore(self, sequence: SequenceState) -> None:
        """Copies a prompt's cached blocks to its slot; its last token is always computed."""
        block_tokens = self.settings.block_tokens
        first = sequence.num_computed // block_tokens
        last = (len(sequence.prompt) - 1) // block_tokens
        if sequence.slot is None or sequence.num_computed % block_tokens or first >= last:
            return
        found = self._prefix_cache.restore(
            sequence.block_keys.names[first:last], sequence.slot, first
        )
        sequence.num_computed += found * block_tokens
        sequence.num_cached += found * block_tokens
        sequence.num_stored_blocks = max(sequence.num_stored_blocks, first + found)
        self._totals["cached_tokens"] += found * block_tokens

    def _store_blocks(self, sequence: SequenceState) -> None:
        whole = sequence.num_computed // self.settings.block_tokens
        if sequence.slot is not None and whole > sequence.num_stored_blocks:
            names = sequence.block_keys.names[sequence.num_stored_blocks : whole]
            self._prefix_cache.store(names, sequence.slot, sequence.num_stored_blocks)
            sequence.num_stored_blocks = whole

    def _append_tokens(
        self, ready: Sequence[SequenceState], logits: Tensor
    ) -> list[tuple[SequenceState, Output]]:
        tokens = sample_tokens(logits, [sequence.sampler for sequence in ready])
        outputs = []
        for sequence, token in zip(ready, tokens, strict=True):
            is_first = not sequence.is_decoding
            output = sequence.append(token)
            if is_first:
                self._totals["first_tokens"] += 1
                self._first_token_s += sequence.first_token_s or 0.0
            outputs.append((sequence, self._end(sequence, output) if output.finish else output))
        return outputs

    def _end(self, sequence: SequenceState, output: Output) -> Output:
        self._waiting.pop(sequence.number, None)
        if self._running.pop(sequence.number, None) is not None and sequence.slot is not None:
            self._free.append(sequence.slot)
            self._service_s.append(sequence.service_s)
            sequence.slot = None
        self._finished[output.finish or ""] += 1
        return output
