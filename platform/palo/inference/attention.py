"""Attention of a step's rows to the slots they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from palo.inference.kv_cache import KVCache


class Attention(Protocol):
    """Writes the keys and values of a step's rows into the cache, and attends to what is there."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attends in one layer.

        Args:
            layer: Number of the layer.
            query: (R, K * G, W) floats.
            key: (R, K, W) floats.
            value: (R, K, W) floats.

        Returns:
            (R, K * G * W) floats.
        """


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of a step that go on one after another in one slot.

    Attributes:
        slot: The slot.
        start: How many tokens the slot holds before them.
        length: How many rows.
    """

    slot: int
    start: int
    length: int


class SegmentAttention:
    """Each segment attends to exactly what its slot holds: nothing is padded.

    Args:
        cache: The slots.
        segments: Those of the step, in the order of its rows.
    """

    def __init__(self, cache: KVCache, segments: Sequence[Segment]) -> None:
        self._cache = cache
        device = cache.kv.device
        lengths = [segment.length for segment in segments]
        self.positions = torch.cat(
            [torch.arange(s.start, s.start + s.length) for s in segments]
        ).to(device)
        slots = torch.tensor([segment.slot for segment in segments])
        self._slots = slots.repeat_interleave(torch.tensor(lengths)).to(device)
        self._parts: list[tuple[int, int, int, int, Tensor | None]] = []
        row = 0
        for segment in segments:
            end = segment.start + segment.length
            # The beginning of a prompt needs no mask: sdpa then skips what follows.
            needs_mask = segment.length > 1 and segment.start > 0
            mask = _causal(segment, cache.kv) if needs_mask else None
            self._parts.append((segment.slot, row, row + segment.length, end, mask))
            row += segment.length

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """See Attention."""
        cache = self._cache
        keys, values = cache.layers[layer]
        keys[self._slots, :, self.positions] = key
        values[self._slots, :, self.positions] = value
        num_rows, num_heads, width = query.shape
        num_keys = key.shape[1]
        out = torch.empty_like(query)
        rows = cache.rows[layer]
        attend = functional.scaled_dot_product_attention
        for slot, start, stop, end, mask in self._parts:
            held_keys, held_values = rows[slot]
            if stop - start == 1:
                # Query heads that share a key become the rows of one small attention.
                shape = (1, num_keys, num_heads // num_keys, width)
                part = attend(
                    query[start].view(shape), held_keys[:, :, :end], held_values[:, :, :end]
                )
                out[start] = part.view(num_heads, width)
            else:
                part = attend(
                    query[None, start:stop].transpose(1, 2),
                    held_keys[:, :, :end],
                    held_values[:, :, :end],
                    mask,
                    is_causal=mask is None,
                    enable_gqa=num_keys != num_heads,
                )
                out[start:stop] = part[0].transpose(0, 1)
        return out.view(num_rows, num_heads * width)


class PaddedAttention:
    """One row for each of the first slots, each looking at the same number of places.

    All shapes follow from the two numbers alone, so that a GPU can record them once.

    Args:
        cache: The slots; their places must all hold finite numbers.
        num_rows: How many slots.
        length: How many places.
        positions: (R,) int64 the place of each row's token; it sees those up to there.
    """

    def __init__(self, cache: KVCache, num_rows: int, length: int, positions: Tensor) -> None:
        self._layers = [
            (keys[:num_rows, :, :length], values[:num_rows, :, :length])
            for keys, values in cache.layers
        ]
        device = cache.kv.device
        self._rows = torch.arange(num_rows, device=device)
        self.positions = positions
        places = torch.arange(length, device=device)
        self._mask = (places <= positions[:, None])[:, None, None]

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """See Attention."""
        keys, values = self._layers[layer]
        keys[self._rows, :, self.positions] = key
        values[self._rows, :, self.positions] = value
        num_rows, num_heads, width = query.shape
        grouped = query.view(num_rows, key.shape[1], -1, width)
        part = functional.scaled_dot_product_attention(grouped, keys, values, self._mask)
        return part.reshape(num_rows, num_heads * width)


def _causal(segment: Segment, like: Tensor) -> Tensor:
    """Returns what a segment adds to its scores: minus infinity for places that follow, else 0."""
    end = segment.start + segment.length
    mask = torch.full((segment.length, end), -torch.inf, dtype=like.dtype, device=like.device)
    return mask.triu_(segment.start + 1)
