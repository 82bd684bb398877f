"""The language model's layers as the engine runs them: joined weights, and attention to slots.

Linear layers that read the same input are one multiplication.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from palo.inference.kv_cache import KVCache

LinearName = Literal["qkv", "out", "gate_up", "down"]
"""The four multiplications of a block."""

LINEARS: Mapping[LinearName, tuple[str, ...]] = MappingProxyType(
    {
        "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "out": ("self_attn.o_proj",),
        "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
        "down": ("mlp.down_proj",),
    }
)
"""The model's own linear layers that each multiplication joins."""


# Up to so many rows oneDNN's weight layout is faster: by a quarter at 8 rows of SmolLM2-135M.
_FEW_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear layer, or several joined ones.

    Attributes:
        weight: (outputs, inputs) floats.
        bias: (outputs,) floats, or None.
        repacked: The same weights in a layout that is faster for few rows, or None.
    """

    weight: Tensor
    bias: Tensor | None
    repacked: Tensor | None = None

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, outputs) floats.

        Args:
            rows: (R, inputs) floats.
        """
        if self.repacked is not None and len(rows) <= _FEW_ROWS:
            multiply: Any = torch.ops.mkldnn._linear_pointwise
            out: Tensor = multiply(rows, self.repacked, self.bias, "none", [], "")
            return out
        return functional.linear(rows, self.weight, self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Root mean square normalization."""

    weight: Tensor
    eps: float

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, H) from (R, H)."""
        return functional.rms_norm(rows, self.weight.shape, self.weight, self.eps)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One layer of the language model."""

    before_attention: Norm
    before_mlp: Norm
    linears: Mapping[LinearName, Linear]
    activation: Callable[[Tensor], Tensor]


def block_from_layer(layer: Any, *, repack: bool) -> Block:  # noqa: ANN401 - an untyped LlamaDecoderLayer
    """Converts a layer to a block; afterwards the layer shares the block's weights.

    Args:
        layer: A LlamaDecoderLayer.
        repack: Whether to keep a second copy of the weights, for few rows on a CPU.
    """
    return Block(
        norm_from(layer.input_layernorm),
        norm_from(layer.post_attention_layernorm),
        {
            place: _joined([layer.get_submodule(name) for name in names], repack=repack)
            for place, names in LINEARS.items()
        },
        layer.mlp.act_fn,
    )


def norm_from(norm: Any) -> Norm:  # noqa: ANN401 - a LlamaRMSNorm
    """Converts a normalization layer.

    Args:
        norm: A LlamaRMSNorm.
    """
    return Norm(norm.weight, norm.variance_epsilon)


def linear_from(weight: Tensor, bias: Tensor | None, *, repack: bool) -> Linear:
    """Builds a linear layer.

    Args:
        weight: (outputs, inputs) floats.
        bias: (outputs,) floats, or None.
        repack: Whether to keep a repacked copy, which is possible for float32 on a CPU only.
    """
    possible = (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
    )
    if not (repack and possible):
        return Linear(weight, bias)
    with torch.no_grad():
        reorder: Any = torch.ops.mkldnn._reorder_linear_weight
        return Linear(weight, bias, reorder(weight.detach(), _FEW_ROWS))


def _joined(linears: Sequence[nn.Linear], *, repack: bool) -> Linear:
    if len(linears) == 1:
        return linear_from(linears[0].weight, linears[0].bias, repack=repack)
    weight = _shared([linear.weight for linear in linears])
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return linear_from(weight, _shared(biases) if biases else None, repack=repack)


def _shared(parameters: Iterable[Tensor]) -> Tensor:
    """Joins parameters in one tensor, of which each becomes a view."""
    parts = list(parameters)
    if all(_follows(one, next_one) for one, next_one in pairwise(parts)):
        # Another engine on the same model has joined them already.
        first = parts[0].data
        return first.as_strided((sum(map(len, parts)), *first.shape[1:]), first.stride())
    whole = torch.cat([part.data for part in parts])
    for part, data in zip(parts, whole.split([len(part) for part in parts]), strict=True):
        part.data = data
    return whole


def _follows(one: Tensor, next_one: Tensor) -> bool:
    same = one.untyped_storage().data_ptr() == next_one.untyped_storage().data_ptr()
    end = one.storage_offset() + one.numel()
    return same and one.is_contiguous() and end == next_one.storage_offset()


class Attention(Protocol):
    """Writes the keys and values of a step's rows to the KV cache, and attends to the cache."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attends in one layer.

        Args:
            layer: Index of the layer.
            query: (R, K * G, W) floats.
            key: (R, K, W) floats.
            value: (R, K, W) floats.

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
        segments: Segments of the step, in the order of its rows.
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
            # The beginning of a prompt needs no mask: is_causal is faster.
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
    """Attention of one row for each of the first slots, all padded to one length.

    All shapes follow from `num_rows` and `length` alone, so that a CUDA graph can be recorded.

    Args:
        cache: The KV cache; all of it must hold finite numbers.
        num_rows: How many slots.
        length: Tokens that each row attends to, masked beyond its own position.
        positions: (R,) int64 position of each row's token.
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
    """Returns the mask (length, end) of a segment: minus infinity for later positions, else 0."""
    end = segment.start + segment.length
    mask = torch.full((segment.length, end), -torch.inf, dtype=like.dtype, device=like.device)
    return mask.triu_(segment.start + 1)
