"""The language model's forward pass over the rows of a step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo.errors import MismatchError
from palo.inference.adapters import Adapter
from palo.inference.layers import Attention, LinearName, block_from_layer, linear_from, norm_from

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

AdaptedRows = tuple[Adapter, int, int]
"""An adapter with the half-open range of rows, start and stop, that it applies to."""


class LanguageModelRunner:
    """Runs the language model on rows: a row is a token, whichever sequence it belongs to.

    Args:
        model: The model; its weights are shared.
        max_context: Most tokens of a sequence.
        num_ids: Ids that may be sampled, the first ones of the vocabulary (V).
        repack: Whether to keep a second copy of the weights, for few rows on a CPU.

    Raises:
        MismatchError: If the position embedding depends on a sequence's length.
    """

    def __init__(
        self,
        model: "PaloForConditionalGeneration",
        max_context: int,
        num_ids: int,
        *,
        repack: bool,
    ) -> None:
        language = model.language_model
        config = language.config
        self._heads = (config.num_attention_heads, config.num_key_value_heads, config.head_dim)
        self._blocks = [block_from_layer(layer, repack=repack) for layer in language.model.layers]
        self._norm = norm_from(language.model.norm)
        head = language.lm_head
        bias = None if head.bias is None else head.bias[:num_ids]
        self._head = linear_from(head.weight[:num_ids], bias, repack=repack)
        kind = config.rope_parameters.get("rope_type", "default")
        if kind in ("dynamic", "longrope"):
            raise MismatchError(
                "the engine caches computed tokens, whose positions must not change",
                seen=f"rope_type {kind}",
                fix="Use a model with a fixed position embedding.",
            )
        with torch.no_grad():
            places = torch.arange(max_context, device=model.device)[None]
            like = torch.empty(0, dtype=model.dtype, device=model.device)
            cos, sin = language.model.rotary_emb(like, places)
        half = config.head_dim // 2
        # The sign of the rotation is in the table, so that rotating a row takes two products.
        self._cos = cos[0, :, None]
        self._sin = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)[:, None]

    def hidden(
        self, rows: Tensor, attention: Attention, positions: Tensor, adapted: Sequence[AdaptedRows]
    ) -> Tensor:
        """Runs all blocks.

        Args:
            rows: (R, H) embeddings.
            attention: Attention of the step.
            positions: (R,) int64 position of each row within its sequence.
            adapted: Rows that have an adapter.

        Returns:
            (R, H) floats, before the last normalization.
        """
        cos, sin = self._cos[positions], self._sin[positions]
        num_heads, num_keys, width = self._heads
        for number, block in enumerate(self._blocks):

            def project(name: LinearName, inputs: Tensor, number: int = number) -> Tensor:
                out = self._blocks[number].linears[name](inputs)
                for adapter, start, stop in adapted:
                    pair = adapter.layers[number].get(name)
                    if pair is not None:
                        out[start:stop] += pair(inputs[start:stop])
                return out

            mixed = project("qkv", block.before_attention(rows))
            mixed = mixed.view(-1, num_heads + 2 * num_keys, width)
            rotated = _rotated(mixed[:, : num_heads + num_keys], cos, sin)
            seen = attention(
                number,
                rotated[:, :num_heads],
                rotated[:, num_heads:],
                mixed[:, num_heads + num_keys :],
            )
            rows = rows + project("out", seen)
            gate, up = project("gate_up", block.before_mlp(rows)).chunk(2, dim=-1)
            rows = rows + project("down", block.activation(gate) * up)
        return rows

    def logits(self, rows: Tensor) -> Tensor:
        """Returns (R, V) logits.

        Args:
            rows: (R, H) floats, as `hidden` returns them.
        """
        return self._head(self._norm(rows))


def _rotated(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates (R, heads, W) by the positions whose tables are given.

    Source: RoFormer (arXiv 2104.09864), in the half-split form of LLaMA.
    """
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat([second, first], dim=-1) * sin
