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


# Up to so many rows oneDNN's order of the weights is faster: a quarter at 8 rows of SmolLM2-135M.
_FEW_ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Weights of one multiplication.

    Attributes:
        weight: (outputs, inputs) floats.
        bias: (outputs,) floats, or None.
        repacked: The same weights in an order that is faster for few rows, or None.
    """

    weight: Tensor
    bias: Tensor | None
    repacked: Tensor | None = None

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, outputs) from (R, inputs)."""
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
    linears: Mapping[Place, Linear]
    activation: Callable[[Tensor], Tensor]


def block_of(layer: Any, *, repack: bool) -> Block:  # noqa: ANN401 - an untyped LlamaDecoderLayer
    """Returns a layer as a block; the layer afterwards shares the block's weights.

    Args:
        layer: A LlamaDecoderLayer.
        repack: Whether to keep a second copy of the weights, for few rows on a CPU.
    """
    return Block(
        norm_of(layer.input_layernorm),
        norm_of(layer.post_attention_layernorm),
        {
            place: _joined([layer.get_submodule(name) for name in names], repack=repack)
            for place, names in PLACES.items()
        },
        layer.mlp.act_fn,
    )


def norm_of(norm: Any) -> Norm:  # noqa: ANN401 - a LlamaRMSNorm
    """Returns a layer's normalization."""
    return Norm(norm.weight, norm.variance_epsilon)


def linear_of(weight: Tensor, bias: Tensor | None, *, repack: bool) -> Linear:
    """Returns a multiplication; repacked only where that is possible, in float32 on a CPU."""
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
        return linear_of(linears[0].weight, linears[0].bias, repack=repack)
    weight = _shared([linear.weight for linear in linears])
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return linear_of(weight, _shared(biases) if biases else None, repack=repack)


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
