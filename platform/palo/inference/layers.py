"""The language model's layers as the engine runs them, by PyTorch's operations.

Linear layers that read the same input are one multiplication. What an architecture has besides
Llama's operations is read from its layers: norms of queries and keys, norms behind attention and
MLP, norms whose weights are distances from one.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm

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
class Float32Norm(Norm):
    """Root mean square normalization in float32, whatever type the rows are of."""

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, H) from (R, H)."""
        normed = functional.rms_norm(rows.float(), self.weight.shape, self.weight, self.eps)
        return normed.type_as(rows)


@dataclass(frozen=True, slots=True, eq=False)
class HeadNorms:
    """Normalization of each head's query and key, before their rotation.

    Attributes:
        query: Of a query; a scale of the scores that isn't 1 / sqrt(W) is in its weights.
        key: Of a key.
        num_keys: Heads of keys (K).
        width: Floats of a head (W).
    """

    query: Norm
    key: Norm
    num_keys: int
    width: int

    def __call__(self, mixed: Tensor) -> Tensor:
        """Returns (R, (K * G + 2 K) * W) floats with normalized queries and keys, in place.

        Args:
            mixed: (R, (K * G + 2 K) * W) floats: queries, keys and values.
        """
        heads = mixed.view(len(mixed), -1, self.width)
        query, key, _ = heads.split(
            [heads.shape[1] - 2 * self.num_keys, self.num_keys, self.num_keys], dim=1
        )
        query.copy_(self.query(query))
        key.copy_(self.key(key))
        return mixed


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
    """One layer of the language model; each operation maps (R, inputs) to (R, outputs).

    Attributes:
        before_attention: Norm of what goes into attention.
        before_mlp: Norm of what goes into the MLP.
        linears: The four multiplications.
        gated: Activation of the MLP.
        heads: Norms of queries and keys; None where the architecture has none.
        after_attention: Norm of what attention adds; None where there is none.
        after_mlp: Norm of what the MLP adds; None where there is none.
    """

    before_attention: RowOperation
    before_mlp: RowOperation
    linears: Mapping[LinearName, RowOperation]
    gated: RowOperation
    heads: RowOperation | None = None
    after_attention: RowOperation | None = None
    after_mlp: RowOperation | None = None


def block_of(
    layer: Any,  # noqa: ANN401 - a decoder layer of one of `palo.model.backbones`
    linears: Mapping[LinearName, RowOperation],
    gated: RowOperation,
    convert: Callable[[Any], RowOperation],
) -> Block:
    """Joins the operations of a layer.

    Args:
        layer: A decoder layer.
        linears: Its four multiplications.
        gated: Activation of its MLP.
        convert: Makes an operation of a norm of the layer.
    """
    heads = head_norms_of(layer.self_attn)
    if not hasattr(layer, "pre_feedforward_layernorm"):
        before = convert(layer.input_layernorm), convert(layer.post_attention_layernorm)
        return Block(*before, linears, gated, heads)
    return Block(
        convert(layer.input_layernorm),
        convert(layer.pre_feedforward_layernorm),
        linears,
        gated,
        heads,
        after_attention=convert(layer.post_attention_layernorm),
        after_mlp=convert(layer.post_feedforward_layernorm),
    )


def linears_of(layer: Any) -> dict[LinearName, Linear]:  # noqa: ANN401 - an untyped decoder layer
    """Joins the linear layers of a layer, which afterwards shares the joined weights.

    Args:
        layer: A decoder layer.
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


def layer_stack(language_model: Any, num_ids: int) -> LayerStack:  # noqa: ANN401 - of transformers
    """Converts a language model, whose layers afterwards share the joined weights.

    Args:
        language_model: A model of one of `palo.model.backbones`.
        num_ids: Ids that get a logit, the first ones of the vocabulary (V).
    """
    blocks = [
        block_of(layer, linears_of(layer), GatedActivation(layer.mlp.act_fn), norm_of)
        for layer in language_model.model.layers
    ]
    return LayerStack(blocks, norm_of(language_model.model.norm), head_of(language_model, num_ids))


def head_of(language_model: Any, num_ids: int) -> Linear:  # noqa: ANN401 - of transformers
    """Returns the layer that computes logits.

    Args:
        language_model: A model of one of `palo.model.backbones`.
        num_ids: Ids that get a logit, the first ones of the vocabulary (V).
    """
    head = language_model.lm_head
    return Linear(head.weight[:num_ids], None if head.bias is None else head.bias[:num_ids])


def norm_of(norm: Any, scale: float = 1.0) -> Norm:  # noqa: ANN401 - of transformers
    """Converts a normalization layer.

    Args:
        norm: The norm of a decoder layer, or the last one.
        scale: Factor of its results.
    """
    if isinstance(norm, Gemma3RMSNorm):
        weight = (1.0 + norm.weight.detach().float()) * scale
        kind = Norm if norm.weight.dtype == torch.float32 else Float32Norm
        return kind(weight, norm.eps)
    weight = norm.weight if scale == 1.0 else norm.weight.detach() * scale
    return Norm(weight, norm.variance_epsilon)


def head_norms_of(attention: Any) -> HeadNorms | None:  # noqa: ANN401 - of transformers
    """Converts the norms of queries and keys, with the scale of the scores; None without any.

    Args:
        attention: The attention of a decoder layer.
    """
    if not hasattr(attention, "q_norm"):
        return None
    width = attention.head_dim
    return HeadNorms(
        norm_of(attention.q_norm, attention.scaling * math.sqrt(width)),
        norm_of(attention.k_norm),
        attention.k_proj.out_features // width,
        width,
    )


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
