"""The language model's layers as the kernels compute them, with packed weights."""

import ctypes
import functools
import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import SiLU
from transformers.activations import SiLUActivation

from palo.inference.cpu_kernels.library import KernelLibrary
from palo.inference.layers import (
    GatedActivation,
    LayerStack,
    Linear,
    Norm,
    block_of,
    head_of,
    linears_of,
    norm_of,
)

_HUGE_PAGE = 2 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class PackedLinear:
    """A linear layer whose weights lie in the order in which the kernel reads them.

    Attributes:
        library: The kernels.
        packed: (panels, inputs, panel) float32 weights, the last panel filled up with zeros.
        bias: (outputs,) float32, or None.
        num_outputs: Outputs.
    """

    library: KernelLibrary
    packed: Tensor
    bias: Tensor | None
    num_outputs: int

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, outputs) float32.

        Args:
            rows: (R, inputs) float32, contiguous.
        """
        num_rows, num_inputs = rows.shape
        out = rows.new_empty(num_rows, self.num_outputs)
        self.library.linear(
            rows.data_ptr(),
            self.packed.data_ptr(),
            out.data_ptr(),
            num_rows,
            num_inputs,
            self.num_outputs,
            torch.get_num_threads(),
        )
        return out if self.bias is None else out.add_(self.bias)


def pack(library: KernelLibrary, linears: Sequence[Linear]) -> list[PackedLinear]:
    """Copies the weights of linear layers into packed ones, side by side in memory.

    Args:
        library: The kernels.
        linears: The layers, float32 on the CPU.
    """
    shapes = [
        torch.Size((-(-len(weight) // library.panel), weight.shape[1], library.panel))
        for weight in (linear.weight for linear in linears)
    ]
    sizes = [shape.numel() for shape in shapes]
    packed = []
    for linear, part, shape in zip(
        linears, huge_empty(sum(sizes)).split(sizes), shapes, strict=True
    ):
        weight, panels = linear.weight.detach(), part.view(shape)
        whole, left = divmod(len(weight), library.panel)
        filled = len(weight) - left
        panels[:whole] = weight[:filled].unflatten(0, (whole, library.panel)).transpose(1, 2)
        if left:
            panels[whole].zero_()
            panels[whole, :, :left] = weight[filled:].T
        packed.append(PackedLinear(library, panels, linear.bias, len(weight)))
    return packed


def huge_empty(num_floats: int) -> Tensor:
    """Returns float32 numbers without values, in huge pages where the system has them.

    Weights that are read once a token are read about a tenth faster from huge pages, since the
    processor looks up fewer addresses.

    Args:
        num_floats: How many (N).

    Returns:
        (N,) float32.
    """
    size = num_floats * torch.float32.itemsize
    numbers = torch.empty(num_floats + 2 * _HUGE_PAGE // torch.float32.itemsize)
    skipped = -numbers.data_ptr() % _HUGE_PAGE
    first = skipped // torch.float32.itemsize
    if advice := getattr(mmap, "MADV_HUGEPAGE", None):  # Linux
        whole = -(-size // _HUGE_PAGE) * _HUGE_PAGE
        # Only advice: a system without huge pages says no, and gives small ones.
        _madvise()(numbers.data_ptr() + skipped, whole, advice)
    return numbers[first : first + num_floats]


@functools.cache
def _madvise() -> Callable[[int, int, int], int]:
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    found: Callable[[int, int, int], int] = madvise
    return found


@dataclass(frozen=True, slots=True, eq=False)
class KernelNorm:
    """Root mean square normalization.

    Attributes:
        library: The kernels.
        weight: (H,) float32.
        eps: Added to the mean of the squares.
    """

    library: KernelLibrary
    weight: Tensor
    eps: float

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, H) from contiguous (R, H)."""
        out = torch.empty_like(rows)
        self.library.rms_norm(
            rows.data_ptr(), self.weight.data_ptr(), out.data_ptr(), *rows.shape, self.eps
        )
        return out


@dataclass(frozen=True, slots=True, eq=False)
class KernelSilu:
    """SiLU of the gates times the values beside them.

    Attributes:
        library: The kernels.
    """

    library: KernelLibrary

    def __call__(self, rows: Tensor) -> Tensor:
        """Returns (R, N) float32.

        Args:
            rows: (R, 2 N) float32, contiguous: gates, then values.
        """
        num_rows, size = len(rows), rows.shape[1] // 2
        out = rows.new_empty(num_rows, size)
        self.library.silu_gate(rows.data_ptr(), out.data_ptr(), num_rows, size)
        return out


def kernel_stack(library: KernelLibrary, language_model: Any, num_ids: int) -> LayerStack:  # noqa: ANN401 - of transformers
    """Converts a language model; see `layer_stack`.

    Args:
        library: The kernels.
        language_model: A model of one of `palo.model.backbones`, of float32 on the CPU.
        num_ids: Ids that get a logit, the first ones of the vocabulary (V).
    """
    layers = language_model.model.layers
    joined = [linears_of(layer) for layer in layers]
    *packed, head = pack(
        library,
        [*(one for each in joined for one in each.values()), head_of(language_model, num_ids)],
    )
    in_order = iter(packed)
    blocks = [
        block_of(
            layer,
            {place: next(in_order) for place in each},
            KernelSilu(library)
            if isinstance(layer.mlp.act_fn, (SiLU, SiLUActivation))
            else GatedActivation(layer.mlp.act_fn),
            lambda norm: _norm(library, norm_of(norm)),
        )
        for layer, each in zip(layers, joined, strict=True)
    ]
    return LayerStack(blocks, _norm(library, norm_of(language_model.model.norm)), head)


def _norm(library: KernelLibrary, norm: Norm) -> KernelNorm:
    return KernelNorm(library, norm.weight, norm.eps)
