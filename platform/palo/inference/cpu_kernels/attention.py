"""Attention to the slots of the KV cache, computed by the kernels."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from palo.inference.attention import Segment
from palo.inference.cpu_kernels.library import KernelLibrary
from palo.inference.kv_cache import KVCache
from palo.inference.layer_kinds import LayerKinds


class _Cache(ctypes.Structure):
    """One layer's part of the KV cache, as kernels.cpp declares it."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("keys", "values", "cosines", "sines")),
        *((name, ctypes.c_int64) for name in ("places", "heads", "key_heads", "width")),
    )


class KernelAttentions:
    """Makes the attention of each step.

    Args:
        library: The kernels.
        cache: The KV cache, float32 on the CPU.
        kinds: The kinds of the layers; those with a window are computed elsewhere.
        num_heads: Query heads.
    """

    def __init__(
        self, library: KernelLibrary, cache: KVCache, kinds: LayerKinds, num_heads: int
    ) -> None:
        self.library = library
        self._kept_alive = (cache.kv, kinds)
        num_keys, places, width = cache.kv.shape[3:]
        tables = [kinds.kinds[kind].tables for kind in kinds.of_layer]
        self.layers = [
            _Cache(
                keys.data_ptr(),
                values.data_ptr(),
                table.cosines.data_ptr(),
                table.sines.data_ptr(),
                places,
                num_heads,
                num_keys,
                width,
            )
            for (keys, values), table in zip(cache.layers, tables, strict=True)
        ]

    def for_segments(self, segments: Sequence[Segment]) -> "KernelAttention":
        """Returns the attention of a step.

        Args:
            segments: Segments of the step, in the order of its rows.
        """
        return KernelAttention(self, segments)


class KernelAttention:
    """Attention of each segment to exactly the tokens of its slot.

    Args:
        attentions: What all steps share.
        segments: Segments of the step, in the order of its rows.
    """

    def __init__(self, attentions: KernelAttentions, segments: Sequence[Segment]) -> None:
        self._attentions = attentions
        self._num_segments = len(segments)
        values, row = [], 0
        for segment in segments:
            values += [segment.slot, segment.start, segment.length, row]
            row += segment.length
        self._segments = (ctypes.c_int64 * len(values))(*values)

    def __call__(self, layer: int, mixed: Tensor) -> Tensor:
        """See Attention."""
        cache = self._attentions.layers[layer]
        out = mixed.new_empty(len(mixed), cache.heads * cache.width)
        self._attentions.library.attend(
            ctypes.addressof(cache),
            mixed.data_ptr(),
            ctypes.addressof(self._segments),
            self._num_segments,
            out.data_ptr(),
            torch.get_num_threads(),
        )
        return out
