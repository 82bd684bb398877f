"""The language model's layers as the engine runs them, by PyTorch's operations.

Linear layers that read the same input are one multiplication.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

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

RowOperation = Callable[[Tensor], Tensor]
"""Maps rows (R, inputs) to rows (R, outputs)."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear layer, or several joined ones.

    Attributes:
        weight: (outputs, inputs) floats.
        bias: (outputs,) floats, or None.
    """

    weight: Tensor
    bias: Tensor | None

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, outputs) floats.

        Args:
            rows: (R, inputs) floats.
        """
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
class GatedActivation:
    """The activation of the gates times the values beside them."""

    activation: RowOperation

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, N) floats.

        Args:
            rows: (R, 2 N) floats: gates, then values.
        """
        gate, up = rows.chunk(2, dim=-1)
        return self.activation(gate) * up


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One layer of the language model; each operation maps (R, inputs) to (R, outputs)."""

    before_attention: RowOperation
    before_mlp: RowOperation
    linears: Mapping[LinearName, RowOperation]
    gated: RowOperation


def linears_of(layer: Any) -> dict[LinearName, Linear]:  # noqa: ANN401 - an untyped LlamaDecoderLayer
    """Joins the linear layers of a layer, which afterwards shares the joined weights.

    Args:
        layer: A LlamaDecoderLayer.
    """
    return {
        place: _joined([layer.get_submodule(name) for name in names])
        for place, names in LINEARS.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class LayerStack:
    """All layers of the language model, and what turns their rows (R, H) to logits (R, V)."""

    blocks: Sequence[Block]
    norm: RowOperation
    head: RowOperation


def layer_stack(language_model: Any, num_ids: int) -> LayerStack:  # noqa: ANN401 - a LlamaForCausalLM
    """Converts a language model, whose layers afterwards share the joined weights.

    Args:
        language_model: A LlamaForCausalLM.
        num_ids: Ids that get a logit, the first ones of the vocabulary (V).
    """
    blocks = [
        Block(
            norm_of(layer.input_layernorm),
            norm_of(layer.post_attention_layernorm),
            linears_of(layer),
            GatedActivation(layer.mlp.act_fn),
        )
        for layer in language_model.model.layers
    ]
    return LayerStack(blocks, norm_of(language_model.model.norm), head_of(language_model, num_ids))


def head_of(language_model: Any, num_ids: int) -> Linear:  # noqa: ANN401 - a LlamaForCausalLM
    """Returns the layer that computes logits.

    Args:
        language_model: A LlamaForCausalLM.
        num_ids: Ids that get a logit, the first ones of the vocabulary (V).
    """
    head = language_model.lm_head
    return Linear(head.weight[:num_ids], None if head.bias is None else head.bias[:num_ids])


def norm_of(norm: Any) -> Norm:  # noqa: ANN401 - a LlamaRMSNorm
    """Converts a normalization layer.

    Args:
        norm: A LlamaRMSNorm.
    """
    return Norm(norm.weight, norm.variance_epsilon)


def _joined(linears: Sequence[nn.Linear]) -> Linear:
    if len(linears) == 1:
        return Linear(linears[0].weight, linears[0].bias)
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return Linear(
        _shared([linear.weight for linear in linears]), _shared(biases) if biases else None
    )


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
