"""Attention of a step's rows to the KV cache, by PyTorch's operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from palo.inference.kv_cache import KVCache


@dataclass(frozen=True, slots=True, eq=False)
class PositionTables:
    """The position embedding of each place: what rotates its query and key.

    Source: RoFormer (arXiv 2104.09864), in the half-split form of LLaMA.

    Attributes:
        cosines: (places, W) floats.
        sines: (places, W) floats, the first half negated, so that rotating takes two products.
    """

    cosines: Tensor
    sines: Tensor

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the cosines and sines (R, 1, W) of some positions.

        Args:
            positions: (R,) int64.
        """
        return self.cosines[positions, None], self.sines[positions, None]


def _parts(
    mixed: Tensor, num_keys: int, width: int, rotation: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns rotated queries, rotated keys and values of (R, outputs), each (R, heads, W)."""
    cos, sin = rotation
    heads = mixed.view(len(mixed), -1, width)
    turned, values = heads[:, :-num_keys], heads[:, -num_keys:]
    first, second = turned.chunk(2, dim=-1)
    turned = turned * cos + torch.cat([second, first], dim=-1) * sin
    return turned[:, :-num_keys], turned[:, -num_keys:], values


class Attention(Protocol):
    """Attends from the rows of a step, having written their keys and values to the KV cache."""

    def __call__(self, layer: int, mixed: Tensor) -> Tensor:
        """Attends in one layer.

        Args:
            layer: Index of the layer.
            mixed: (R, (K * G + 2 K) * W) floats: queries, keys and values as they come from their
                linear layers; they may be overwritten.

        Returns:
            (R, K * G * W) floats.
        """


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive rows of a step that belong to one slot.

    Attributes:
        slot: The slot.
        start: Tokens that the slot holds before them.
        length: Number of rows.
    """

    slot: int
    start: int
    length: int


class SegmentAttention:
    """Attention of each segment to exactly the tokens of its slot, without padding.

    Args:
        cache: The KV cache.
        tables: The position embedding's.
        segments: Segments of the step, in the order of its rows.
    """

    def __init__(self, cache: KVCache, tables: PositionTables, segments: Sequence[Segment]) -> None:
        self._cache = cache
        device = cache.kv.device
        lengths = [segment.length for segment in segments]
        self._positions = torch.cat(
            [torch.arange(s.start, s.start + s.length) for s in segments]
        ).to(device)
        self._rotation = tables.at(self._positions)
        slots = torch.tensor([segment.slot for segment in segments])
        self._slots = slots.repeat_interleave(torch.tensor(lengths)).to(device)
        self._parts: list[tuple[int, int, int, int, Tensor | None]] = []
        row = 0
        for segment in segments:
            end = segment.start + segment.length
            # The beginning of a prompt needs no mask: is_causal is faster.
            needs_mask = segment.length > 1 and segment.start > 0
            mask = _causal(segment, cache.kv) if needs_mask else None
            self._parts.append((segment.slot, row, row + segment.length, end, mask))
            row += segment.length

    def __call__(self, layer: int, mixed: Tensor) -> Tensor:
        """See Attention."""
        cache = self._cache
        keys, values = cache.layers[layer]
        query, key, value = _parts(mixed, keys.shape[1], keys.shape[-1], self._rotation)
        keys[self._slots, :, self._positions] = key
        values[self._slots, :, self._positions] = value
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
    """Attention of one row for each of the first slots, all padded to one length.

    All shapes follow from `num_rows` and `length` alone, so that a CUDA graph can be recorded.

    Args:
        cache: The KV cache; all of it must hold finite numbers.
        tables: The position embedding's.
        num_rows: How many slots.
        length: Tokens that each row attends to, masked beyond its own position.
        positions: (R,) int64 position of each row's token.
    """

    def __init__(
        self,
        cache: KVCache,
        tables: PositionTables,
        num_rows: int,
        length: int,
        positions: Tensor,
    ) -> None:
        self._layers = [
            (keys[:num_rows, :, :length], values[:num_rows, :, :length])
            for keys, values in cache.layers
        ]
        device = cache.kv.device
        self._rows = torch.arange(num_rows, device=device)
        self._positions = positions
        self._rotation = tables.at(positions)
        places = torch.arange(length, device=device)
        self._mask = (places <= positions[:, None])[:, None, None]

    def __call__(self, layer: int, mixed: Tensor) -> Tensor:
        """See Attention."""
        keys, values = self._layers[layer]
        query, key, value = _parts(mixed, keys.shape[1], keys.shape[-1], self._rotation)
        keys[self._rows, :, self._positions] = key
        values[self._rows, :, self._positions] = value
        num_rows, num_heads, width = query.shape
        grouped = query.view(num_rows, key.shape[1], -1, width)
        part = functional.scaled_dot_product_attention(grouped, keys, values, self._mask)
        return part.reshape(num_rows, num_heads * width)


def _causal(segment: Segment, like: Tensor) -> Tensor:
    """Returns the mask (length, end) of a segment: minus infinity for later positions, else 0."""
    end = segment.start + segment.length
    mask = torch.full((segment.length, end), -torch.inf, dtype=like.dtype, device=like.device)
    return mask.triu_(segment.start + 1)
