"""Computes a step: logits for the sequences that get a token, keys and values for all others."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo.inference.attention import PaddedAttention, Segment
from palo.inference.engine import EngineSettings
from palo.inference.kv_cache import KVCache
from palo.inference.language_model import AdaptedRows, LanguageModelRunner
from palo.inference.planning import ScheduledTokens
from palo.inference.sequence import SequenceState

if TYPE_CHECKING:
    from torch.nn import Module

    from palo.model import PaloForConditionalGeneration


_LEAST_LENGTH = 64
_WARM_UPS = 2


class StaticDecoder:
    """Decodes one token for each of the first slots, all padded to one length.

    Args:
        runner: The language model.
        embedding: Its token embedding.
        cache: The KV cache.
        is_static: Whether the number of rows and the length are rounded up to powers of two, so
            that few shapes occur; on a GPU each shape is recorded once as a CUDA graph.
    """

    def __init__(
        self, runner: LanguageModelRunner, embedding: "Module", cache: KVCache, *, is_static: bool
    ) -> None:
        self._runner = runner
        self._embedding = embedding
        self._cache = cache
        self._is_static = is_static
        num_slots, self._max_context = cache.kv.shape[2], cache.kv.shape[4]
        device = cache.kv.device
        self._ids = torch.zeros(num_slots, dtype=torch.int64, device=device)
        self._positions = torch.zeros(num_slots, dtype=torch.int64, device=device)
        self._graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def __call__(self, num_rows: int, ids: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Computes the next logits of the first slots.

        Args:
            num_rows: How many slots.
            ids: The last id of every slot; any id for slots that don't decode.
            positions: Position of each id. A slot that doesn't decode gets a key and a value
                written there too, so it must be a position that is written again before it is read.

        Returns:
            (num_rows, V) logits.
        """
        wanted = num_rows
        if self._is_static:
            num_rows = min(_rounded(num_rows), len(ids))
        length = max(positions[:num_rows]) + 1
        if self._is_static:
            length = min(_rounded(max(length, _LEAST_LENGTH)), self._max_context)
        self._ids.copy_(torch.tensor(ids))
        self._positions.copy_(torch.tensor(positions))
        return self._logits(num_rows, length)[:wanted]

    def _logits(self, num_rows: int, length: int) -> Tensor:
        if not (self._is_static and self._ids.is_cuda):
            return self._compute(num_rows, length)
        if (num_rows, length) not in self._graphs:
            self._graphs[num_rows, length] = self._record(num_rows, length)
        graph, logits = self._graphs[num_rows, length]
        graph.replay()
        return logits

    def _record(self, num_rows: int, length: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._compute(num_rows, length)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits = self._compute(num_rows, length)
        return graph, logits

    def _compute(self, num_rows: int, length: int) -> Tensor:
        positions = self._positions[:num_rows]
        attention = PaddedAttention(self._cache, self._runner.kinds, num_rows, length, positions)
        rows = self._embedding(self._ids[:num_rows])
        return self._runner.logits(self._runner.hidden(rows, attention, ()))


def _rounded(number: int) -> int:
    """Returns the next power of two."""
    return 1 << (number - 1).bit_length()


class ModelRunner:
    """Runs the model on the tokens of a step.

    Args:
        model: The model.
        cache: The KV cache.
        num_ids: Ids that may be sampled: those of the tokenizer.
        settings: Whether decode steps are static, and computed by the engine's own kernels.
    """

    def __init__(
        self,
        model: "PaloForConditionalGeneration",
        cache: KVCache,
        num_ids: int,
        settings: EngineSettings,
    ) -> None:
        self._cache = cache
        self._is_static = settings.static_decode
        self._embedding = model.get_input_embeddings()
        self._projector = model.projector
        self._runner = LanguageModelRunner(model, cache, num_ids, cpu_kernels=settings.cpu_kernels)
        self._decoder = StaticDecoder(
            self._runner, self._embedding, cache, is_static=self._is_static
        )

    def compute(
        self, parts: Sequence[ScheduledTokens[SequenceState]], running: Sequence[SequenceState]
    ) -> tuple[list[SequenceState], Tensor | None]:
        """Computes a step.

        Args:
            parts: The tokens to compute, at least one.
            running: All sequences that have a slot.

        Returns:
            The sequences that get a token now, and their logits (R, V), or None without any.
        """
        decoding = [part for part in parts if part.sequence.is_decoding]
        prompts = [part for part in parts if not part.sequence.is_decoding]
        if not self._can_decode_apart(decoding):
            return self._together(parts)
        sequences = [part.sequence for part in decoding]
        # Before the prompts, since it also writes to the next position of their slots.
        logits = self._decode(sequences, running)
        if prompts:
            more, more_logits = self._together(prompts)
            sequences += more
            logits = logits if more_logits is None else torch.cat([logits, more_logits])
        return sequences, logits

    def _can_decode_apart(self, decoding: Sequence[ScheduledTokens[SequenceState]]) -> bool:
        if not decoding or any(part.sequence.adapter for part in decoding):
            return False
        # On a CPU one pass for both is cheaper, and exact lengths are.
        return self._is_static or self._cache.kv.is_cuda

    def _decode(
        self, sequences: Sequence[SequenceState], running: Sequence[SequenceState]
    ) -> Tensor:
        ids = [0] * self._cache.kv.shape[2]
        positions = list(ids)
        for sequence in running:
            positions[_slot(sequence)] = sequence.num_computed
        for sequence in sequences:
            ids[_slot(sequence)] = sequence.generated[-1]
        slots = [_slot(sequence) for sequence in sequences]
        logits = self._decoder(max(slots) + 1, ids, positions)
        return logits if slots == list(range(len(logits))) else logits[slots]

    def _together(
        self, parts: Sequence[ScheduledTokens[SequenceState]]
    ) -> tuple[list[SequenceState], Tensor | None]:
        # Rows of one adapter must be adjacent.
        parts = sorted(parts, key=lambda part: part.sequence.request.adapter or "")
        segments = [
            Segment(_slot(sequence), sequence.num_computed, length) for sequence, length in parts
        ]
        attention = self._runner.attention(segments)
        rows = self._runner.hidden(self._rows(parts), attention, _adapted(parts))
        ready, last_rows, stop = [], [], 0
        for sequence, length in parts:
            stop += length
            if sequence.is_decoding or length == sequence.num_prompt_left:
                ready.append(sequence)
                last_rows.append(stop - 1)
        return ready, self._runner.logits(rows[last_rows]) if ready else None

    def _rows(self, parts: Sequence[ScheduledTokens[SequenceState]]) -> Tensor:
        """Returns the embeddings (R, H) of the tokens to compute."""
        ids = [token_id for sequence, length in parts for token_id in sequence.next_ids(length)]
        rows: Tensor = self._embedding(torch.tensor(ids, device=self._cache.kv.device).clamp(min=0))
        start = 0
        for sequence, length in parts:
            adapted = sequence.adapter.projector if sequence.adapter else None
            for place, tokens in sequence.image_rows(length, adapted or self._projector):
                rows[start + place : start + place + len(tokens)] = tokens
            start += length
        return rows


def _slot(sequence: SequenceState) -> int:
    assert sequence.slot is not None, "only sequences with a slot are computed"
    return sequence.slot


def _adapted(parts: Sequence[ScheduledTokens[SequenceState]]) -> list[AdaptedRows]:
    found: list[AdaptedRows] = []
    start = 0
    for adapter, group in groupby(parts, key=lambda part: part.sequence.adapter):
        stop = start + sum(part.length for part in group)
        if adapter is not None:
            found.append((adapter, start, stop))
        start = stop
    return found
