"""Attention of a step's rows to the KV cache, by PyTorch's operations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from palo.inference.kv_cache import KVCache
from palo.inference.layer_kinds import LayerKinds


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


class _Part(NamedTuple):
    """The rows of one segment, and what they attend to.

    Attributes:
        slot: The slot.
        start: First row.
        stop: Row after the last one.
        places: Places of the slot that any of the rows attends to.
        mask: (rows, places) floats to add to the scores; None where nothing is hidden but what
            comes later.
    """

    slot: int
    start: int
    stop: int
    places: slice
    mask: Tensor | None


class SegmentAttention:
    """Attention of each segment to exactly the tokens of its slot, without padding.

    Args:
        cache: The KV cache.
        kinds: The kinds of the layers.
        segments: Segments of the step, in the order of its rows.
    """

    def __init__(self, cache: KVCache, kinds: LayerKinds, segments: Sequence[Segment]) -> None:
        self._cache = cache
        device = cache.kv.device
        lengths = [segment.length for segment in segments]
        self._positions = torch.cat(
            [torch.arange(s.start, s.start + s.length) for s in segments]
        ).to(device)
        self._of_layer = kinds.of_layer
        self._rotations = [kind.tables.at(self._positions) for kind in kinds.kinds]
        self._parts = [
            list(_segment_parts(segments, kind.window, cache.kv)) for kind in kinds.kinds
        ]
        slots = torch.tensor([segment.slot for segment in segments])
        self._slots = slots.repeat_interleave(torch.tensor(lengths)).to(device)

    def __call__(self, layer: int, mixed: Tensor) -> Tensor:
        """See Attention."""
        cache, kind = self._cache, self._of_layer[layer]
        keys, values = cache.layers[layer]
        query, key, value = _parts(mixed, keys.shape[1], keys.shape[-1], self._rotations[kind])
        keys[self._slots, :, self._positions] = key
        values[self._slots, :, self._positions] = value
        num_rows, num_heads, width = query.shape
        num_keys = key.shape[1]
        out = torch.empty_like(query)
        rows = cache.rows[layer]
        attend = functional.scaled_dot_product_attention
        for slot, start, stop, places, mask in self._parts[kind]:
            held_keys, held_values = rows[slot]
            if stop - start == 1:
                # Query heads that share a key become the rows of one small attention.
                shape = (1, num_keys, num_heads // num_keys, width)
                part = attend(
                    query[start].view(shape), held_keys[:, :, places], held_values[:, :, places]
                )
                out[start] = part.view(num_heads, width)
            else:
                part = attend(
                    query[None, start:stop].transpose(1, 2),
                    held_keys[:, :, places],
                    held_values[:, :, places],
                    mask,
                    is_causal=mask is None,
                    enable_gqa=num_keys != num_heads,
                )
                out[start:stop] = part[0].transpose(0, 1)
        return out.view(num_rows, num_heads * width)


class AttentionByKind:
    """Attention of a step that is computed in different ways in different layers.

    Args:
        attentions: The attention of each kind of layers.
        of_layer: The kind's index, by layer.
    """

    def __init__(self, attentions: Sequence[Attention], of_layer: Sequence[int]) -> None:
        self._of_layer = [attentions[kind] for kind in of_layer]

    def __call__(self, layer: int, mixed: Tensor) -> Tensor:
        """See Attention."""
        return self._of_layer[layer](layer, mixed)


class PaddedAttention:
    """Attention of one row for each of the first slots, all padded to one length.

    All shapes follow from `num_rows` and `length` alone, so that a CUDA graph can be recorded.

    Args:
        cache: The KV cache; all of it must hold finite numbers.
        kinds: The kinds of the layers.
        num_rows: How many slots.
        length: Tokens that each row attends to, masked beyond its own position.
        positions: (R,) int64 position of each row's token.
    """

    def __init__(
        self,
        cache: KVCache,
        kinds: LayerKinds,
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
        self._of_layer = kinds.of_layer
        self._rotations = [kind.tables.at(positions) for kind in kinds.kinds]
        back = positions[:, None] - torch.arange(length, device=device)
        self._masks = [_allowed(back, kind.window)[:, None, None] for kind in kinds.kinds]

    def __call__(self, layer: int, mixed: Tensor) -> Tensor:
        """See Attention."""
        keys, values = self._layers[layer]
        kind = self._of_layer[layer]
        query, key, value = _parts(mixed, keys.shape[1], keys.shape[-1], self._rotations[kind])
        keys[self._rows, :, self._positions] = key
        values[self._rows, :, self._positions] = value
        num_rows, num_heads, width = query.shape
        grouped = query.view(num_rows, key.shape[1], -1, width)
        part = functional.scaled_dot_product_attention(grouped, keys, values, self._masks[kind])
        return part.reshape(num_rows, num_heads * width)


def _segment_parts(
    segments: Sequence[Segment], window: int | None, like: Tensor
) -> Iterator[_Part]:
    """Yields the part of each segment, in layers of one kind."""
    row = 0
    for segment in segments:
        end = segment.start + segment.length
        first = 0 if window is None else max(0, segment.start + 1 - window)
        # The beginning of a prompt needs no mask: is_causal is faster.
        is_cut = segment.start > 0 or (window is not None and window < end)
        mask = _mask(segment, first, window, like) if segment.length > 1 and is_cut else None
        yield _Part(segment.slot, row, row + segment.length, slice(first, end), mask)
        row += segment.length


def _mask(segment: Segment, first: int, window: int | None, like: Tensor) -> Tensor:
    """Returns (rows, end - first): 0 for what a row attends to, minus infinity for the rest."""
    end = segment.start + segment.length
    positions = torch.arange(segment.start, end, device=like.device)
    back = positions[:, None] - torch.arange(first, end, device=like.device)
    mask = torch.zeros(back.shape, dtype=like.dtype, device=like.device)
    return mask.masked_fill_(~_allowed(back, window), -torch.inf)


def _allowed(back: Tensor, window: int | None) -> Tensor:
    """Returns whether a row attends to a place that lies so many places before it."""
    return back >= 0 if window is None else (back >= 0) & (back < window)
