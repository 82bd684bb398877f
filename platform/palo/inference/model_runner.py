"""What a step computes: logits for the answers that get an id, keys and values for all others."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo.inference.attention import Segment, SegmentAttention
from palo.inference.kv_cache import KVCache
from palo.inference.language_model import AdaptedRows, LanguageModelRunner
from palo.inference.planning import Part
from palo.inference.sequence import SequenceState
from palo.inference.settings import EngineSettings
from palo.inference.static_decoder import StaticDecoder

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

# Rows that look equally far are one attention instead of many; that is worth some places in vain.
_LEAST_USEFUL_SHARE = 0.75


class ModelRunner:
    """Runs the parts of a step through the model.

    Args:
        model: The model.
        cache: The slots.
        num_ids: Ids that may be chosen: those that the tokenizer knows.
        settings: Which of the ways to compute are taken.
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
        self._runner = LanguageModelRunner(
            model, cache.kv.shape[4], num_ids, repack=settings.repack_weights
        )
        self._decoder = StaticDecoder(
            self._runner, self._embedding, cache, is_static=self._is_static
        )

    def compute(
        self, parts: Sequence[Part[SequenceState]], running: Sequence[SequenceState]
    ) -> tuple[list[SequenceState], Tensor | None]:
        """Computes parts.

        Args:
            parts: At least one.
            running: Every answer that has a slot.

        Returns:
            The answers that get an id now, and their logits (R, V).
        """
        decoding = [part for part in parts if part.answer.is_answering]
        prompts = [part for part in parts if not part.answer.is_answering]
        apart = self._can_decode_apart(decoding, alone=not prompts)
        if not apart:
            return self._together(parts)
        answers = [part.answer for part in decoding]
        # First, since it also writes where the prompts' next places will be.
        logits = self._decode(answers, running)
        if prompts:
            more, more_logits = self._together(prompts)
            answers += more
            logits = logits if more_logits is None else torch.cat([logits, more_logits])
        return answers, logits

    def _can_decode_apart(self, decoding: Sequence[Part[SequenceState]], *, alone: bool) -> bool:
        if not decoding or any(part.answer.adapter for part in decoding):
            return False
        if self._is_static or self._cache.kv.is_cuda:
            return True
        # On a CPU one pass for both is cheaper, and so are exact lengths if they differ much.
        lengths = [part.answer.num_computed for part in decoding]
        rows = 1 + max(_slot(part.answer) for part in decoding)
        return alone and sum(lengths) >= _LEAST_USEFUL_SHARE * rows * max(lengths)

    def _decode(self, answers: Sequence[SequenceState], running: Sequence[SequenceState]) -> Tensor:
        ids = [0] * self._cache.kv.shape[2]
        positions = list(ids)
        for answer in running:
            positions[_slot(answer)] = answer.num_computed
        for answer in answers:
            ids[_slot(answer)] = answer.generated[-1]
        slots = [_slot(answer) for answer in answers]
        logits = self._decoder(max(slots) + 1, ids, positions)
        return logits if slots == list(range(len(logits))) else logits[slots]

    def _together(
        self, parts: Sequence[Part[SequenceState]]
    ) -> tuple[list[SequenceState], Tensor | None]:
        # Rows of one adapter lie side by side.
        parts = sorted(parts, key=lambda part: part.answer.request.adapter or "")
        segments = [Segment(_slot(answer), answer.num_computed, length) for answer, length in parts]
        attention = SegmentAttention(self._cache, segments)
        rows = self._rows(parts)
        rows = self._runner.hidden(rows, attention, attention.positions, _adapted(parts))
        ready, last_rows, stop = [], [], 0
        for answer, length in parts:
            stop += length
            if answer.is_answering or length == answer.num_left:
                ready.append(answer)
                last_rows.append(stop - 1)
        return ready, self._runner.logits(rows[last_rows]) if ready else None

    def _rows(self, parts: Sequence[Part[SequenceState]]) -> Tensor:
        """Returns the embeddings of the parts' places, (R, H)."""
        ids = [token_id for answer, length in parts for token_id in answer.next_ids(length)]
        rows: Tensor = self._embedding(torch.tensor(ids, device=self._cache.kv.device).clamp(min=0))
        start = 0
        for answer, length in parts:
            adapted = answer.adapter.projector if answer.adapter else None
            for place, tokens in answer.image_rows(length, adapted or self._projector):
                rows[start + place : start + place + len(tokens)] = tokens
            start += length
        return rows


def _slot(answer: SequenceState) -> int:
    assert answer.slot is not None, "only answers with a slot are computed"
    return answer.slot


def _adapted(parts: Sequence[Part[SequenceState]]) -> list[AdaptedRows]:
    found: list[AdaptedRows] = []
    start = 0
    for adapter, group in groupby(parts, key=lambda part: part.answer.adapter):
        stop = start + sum(part.length for part in group)
        if adapter is not None:
            found.append((adapter, start, stop))
        start = stop
    return found
