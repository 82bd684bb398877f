"""Continuous batching: requests join and leave between the steps of one loop, on one thread."""

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
from palo.inference.sampler import sample_tokens
from palo.inference.sequence import RequestPreparer, SequenceState
from palo.text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration


class Scheduler:
    """The built-in engine's loop, to be turned by one thread; only `prepare` may run on others.

    Args:
        model: The model, in evaluation mode; its weights are shared, not copied.
        tokenizer: Its tokenizer.
        settings: Sizes and bounds. How many may wait is a matter for whoever adds requests.
        adapters: What requests may name, loaded for this model.

    Raises:
        ConfigError: If a setting is out of range.
        MismatchError: If the model is of a kind whose tokens can't be kept.
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
        """Checks a request and makes what `add` takes; this may run on any thread.

        Raises:
            ConfigError: If its sampling settings are out of range.
            DataError: If it is too long, or names an adapter that isn't there.
            ValueError: If images don't fit the prompt, or ids are none of the model's.
        """
        return self._preparer.prepare(request)

    def add(self, sequence: SequenceState) -> None:
        """Lets a prepared request wait for a slot."""
        self._waiting[sequence.number] = sequence

    def cancel(self, number: int) -> tuple[SequenceState, Output] | None:
        """Ends a request and frees its slot; None if it isn't there any more."""
        sequence = self._waiting.get(number) or self._running.get(number)
        return (
            None
            if sequence is None
            else (sequence, self._end(sequence, sequence.finish("cancelled")))
        )

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._waiting or self._running)

    @property
    def running(self) -> list[SequenceState]:
        """Answers that have a slot, oldest first."""
        return list(self._running.values())

    @property
    def num_waiting(self) -> int:
        """Requests without a slot."""
        return len(self._waiting)

    @property
    def num_free(self) -> int:
        """Slots that nobody has."""
        return len(self._free)

    @torch.inference_mode()
    def step(self) -> list[tuple[SequenceState, Output]]:
        """Gives every answer its next id, and computes a chunk of prompts.

        Returns:
            The outputs of this step.
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
        """Answers requests on this thread, with nobody else's in between.

        Closing the generator cancels what is left.

        Yields:
            The place of a request among them, and what a step added to its answer.

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
        """Forgets the requests that have a slot, after a step that failed; returns them."""
        dropped = self.running
        for sequence in dropped:
            self._end(sequence, sequence.finish("error"))
        return dropped

    def expected_wait_s(self, num_waiting: int) -> float:
        """Returns after how many seconds so many waiting requests will likely have slots."""
        known = list(self._service_s)  # a copy: the loop may add to it meanwhile
        typical = sum(known) / len(known) if known else 1.0
        return min(60.0, max(1.0, typical * num_waiting / self.settings.num_slots))

    def stats(self) -> EngineStats:
        """Returns what was done so far, and what is held now."""
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
            # The lowest slot, so that those in use lie side by side.
            slot = min(self._free)
            self._free.remove(slot)
            sequence.start(slot)
            self._running[sequence.number] = sequence
        for sequence in self._running.values():
            if not sequence.is_decoding:
                self._restore(sequence)

    def _restore(self, sequence: SequenceState) -> None:
        """Takes over what the store has of a prompt by now; its last place is always computed."""
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
