"""The steps between prompts: one id for each of the first slots, all looking equally far."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo.inference.attention import PaddedAttention
from palo.inference.kv_cache import KVCache
from palo.inference.language_model import LanguageModelRunner

if TYPE_CHECKING:
    from torch.nn import Module

_LEAST_LENGTH = 64
_WARM_UPS = 2


class StaticDecoder:
    """Computes the next logits of the first slots.

    Args:
        runner: The language model.
        embedding: The embedding of its ids.
        cache: The slots.
        is_static: Whether the number of rows and of places are rounded up to powers of two, so that
            few shapes occur; on a GPU each of them is recorded once as a CUDA graph.
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
        """Computes one id for each of the first slots.

        Args:
            num_rows: How many slots.
            ids: The id of every slot there is; any for those that have none.
            positions: Its place. A slot without an id gets a key and a value written there, so it
                must be a place that is written again before it is read.

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
        attention = PaddedAttention(self._cache, num_rows, length, positions)
        rows = self._embedding(self._ids[:num_rows])
        return self._runner.logits(self._runner.hidden(rows, attention, positions, ()))


def _rounded(number: int) -> int:
    """Returns the next power of two."""
    return 1 << (number - 1).bit_length()
