"""The language model's blocks as an engine runs them: weights that read the same input are one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Place = Literal["qkv", "out", "gate_up", "down"]
"""Where a block multiplies by weights."""

PLACES: Mapping[Place, tuple[str, ...]] = MappingProxyType(
    {
        "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "out": ("self_attn.o_proj",),
        "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
        "down": ("mlp.down_proj",),
    }
)
"""The model's own names of the weights in each place."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Weights (outputs, inputs), perhaps with a bias."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, outputs) from (R, inputs)."""
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
    linears: Mapping[Place, Linear]
    activation: Callable[[Tensor], Tensor]


def block_of(layer: Any) -> Block:  # noqa: ANN401 - a LlamaDecoderLayer, which has no types
    """Returns a layer as a block; the layer afterwards shares the block's weights."""
    return Block(
        norm_of(layer.input_layernorm),
        norm_of(layer.post_attention_layernorm),
        {
            place: _joined([layer.get_submodule(name) for name in names])
            for place, names in PLACES.items()
        },
        layer.mlp.act_fn,
    )


def norm_of(norm: Any) -> Norm:  # noqa: ANN401 - a LlamaRMSNorm
    """Returns a layer's normalization."""
    return Norm(norm.weight, norm.variance_epsilon)


def _joined(linears: Sequence[nn.Linear]) -> Linear:
    if len(linears) == 1:
        return Linear(linears[0].weight, linears[0].bias)
    weight = _shared([linear.weight for linear in linears])
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return Linear(weight, _shared(biases) if biases else None)


def _shared(parameters: Iterable[Tensor]) -> Tensor:
    """Lays parameters end to end in one tensor, of which each of them becomes a part."""
    parts = list(parameters)
    if all(_follows(one, next_one) for one, next_one in pairwise(parts)):
        # Another engine on the same model has done it.
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
