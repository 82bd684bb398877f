"""The language model's forward pass over the rows of a step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from palo.inference.adapters import Adapter
from palo.inference.attention import Attention, AttentionByKind, Segment, SegmentAttention
from palo.inference.cpu_kernels import KernelAttentions, KernelLibrary, kernel_library, kernel_stack
from palo.inference.kv_cache import KVCache
from palo.inference.layer_kinds import layer_kinds
from palo.inference.layers import LayerStack, LinearName, layer_stack

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

AdaptedRows = tuple[Adapter, int, int]
"""An adapter with the half-open range of rows, start and stop, that it applies to."""


class LanguageModelRunner:
    """Runs the language model on rows: a row is a token, whichever sequence it belongs to.

    Args:
        model: The model; its weights are shared.
        cache: The KV cache, with a place for each token of the longest sequence.
        num_ids: Ids that may be sampled, the first ones of the vocabulary (V).
        cpu_kernels: Whether to use the engine's own kernels, where they fit the model.

    Attributes:
        kinds: The kinds of the model's layers.

    Raises:
        MismatchError: If the position embedding depends on a sequence's length.
    """

    def __init__(
        self,
        model: "PaloForConditionalGeneration",
        cache: KVCache,
        num_ids: int,
        *,
        cpu_kernels: bool,
    ) -> None:
        self._cache = cache
        self.kinds = layer_kinds(model, cache.kv.shape[4])
        library = _library_for(model) if cpu_kernels else None
        self._kernel_attentions: KernelAttentions | None = None
        if library is None:
            self._stack: LayerStack = layer_stack(model.language_model, num_ids)
        else:
            self._stack = kernel_stack(library, model.language_model, num_ids)
            heads = model.language_model.config.num_attention_heads
            self._kernel_attentions = KernelAttentions(library, cache, self.kinds, heads)

    def attention(self, segments: Sequence[Segment]) -> Attention:
        """Returns the attention of a step.

        Args:
            segments: Segments of the step, in the order of its rows.
        """
        if self._kernel_attentions is None:
            return SegmentAttention(self._cache, self.kinds, segments)
        whole = self._kernel_attentions.for_segments(segments)
        if all(kind.window is None for kind in self.kinds.kinds):
            return whole
        windowed = SegmentAttention(self._cache, self.kinds, segments)
        return AttentionByKind(
            [whole if kind.window is None else windowed for kind in self.kinds.kinds],
            self.kinds.of_layer,
        )

    def hidden(self, rows: Tensor, attention: Attention, adapted: Sequence[AdaptedRows]) -> Tensor:
        """Runs all blocks.

        Args:
            rows: (R, H) embeddings.
            attention: Attention of the step.
            adapted: Rows that have an adapter.

        Returns:
            (R, H) floats, before the last normalization.
        """
        for number, block in enumerate(self._stack.blocks):

            def project(name: LinearName, inputs: Tensor, number: int = number) -> Tensor:
                out = self._stack.blocks[number].linears[name](inputs)
                for adapter, start, stop in adapted:
                    pair = adapter.layers[number].get(name)
                    if pair is not None:
                        out[start:stop] += pair(inputs[start:stop])
                return out

            mixed = project("qkv", block.before_attention(rows))
            if block.heads is not None:
                mixed = block.heads(mixed)
            added = project("out", attention(number, mixed))
            rows = rows + (block.after_attention(added) if block.after_attention else added)
            gate_up = project("gate_up", block.before_mlp(rows))
            added = project("down", block.gated(gate_up))
            rows = rows + (block.after_mlp(added) if block.after_mlp else added)
        return rows

    def logits(self, rows: Tensor) -> Tensor:
        """Returns (R, V) logits.

        Args:
            rows: (R, H) floats, as `hidden` returns them.
        """
        return self._stack.head(self._stack.norm(rows))


def _library_for(model: "PaloForConditionalGeneration") -> KernelLibrary | None:
    """Returns the kernels if they compute this model: float32 on a CPU."""
    config = model.language_model.config
    if model.device.type != "cpu" or model.dtype != torch.float32:
        return None
    library = kernel_library()
    shared = config.num_attention_heads // config.num_key_value_heads
    return library if library is not None and shared <= library.most_shared_heads else None
