"""LoRA's linear layers as one operation each, with a backward pass of its own.

PEFT makes a layer of five: dropout, two products, a scaling and a sum. They pass over tensors as
large as the layer's input or output a dozen times, and DeepSpeed hooks itself around four modules.
"""

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

from palo.errors import MismatchError

# Within a block of the language model: layers that have the same input.
_SHARED_INPUTS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class FusedLoraLinear(Linear):
    """PEFT's LoRA layer with another forward pass; weights, names and merging are PEFT's.

    It is made by `fuse_lora`, never by itself.
    """

    masks: "DropoutMasks"

    def forward(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
        """Returns W x + scale B A dropout(x), plus the bias if there is one.

        With the adapter switched off or merged it is PEFT's own forward pass.

        Args:
            x: (..., in) floats in the weights' type.
            *args: As PEFT.
            **kwargs: As PEFT.

        Returns:
            (..., out) floats.
        """
        if self.disable_adapters or self.merged or args or kwargs:
            result: Tensor = super().forward(x, *args, **kwargs)
            return result
        (name,) = self.active_adapters
        dropped = self.lora_dropout[name]
        share = dropped.p if self.training and isinstance(dropped, nn.Dropout) else 0.0
        base = self.get_base_layer()
        function: Any = _LoraLinear.apply
        fused: Tensor = function(
            x,
            base.weight,
            base.bias,
            self.lora_A[name].weight,
            self.lora_B[name].weight,
            self.masks.of(x, share) if share else None,
            self.scaling[name] / (1 - share),
        )
        return fused


class DropoutMasks:
    """The dropout of layers with one input: of that input one mask for all of them.

    Args:
        num_layers: Layers that ask for the mask of each input, one after the other.
    """

    def __init__(self, num_layers: int = 1) -> None:
        self._num_layers = num_layers
        self._left = 0
        self._input: Tensor | None = None
        self._mask: Tensor | None = None

    def of(self, x: Tensor, share: float) -> Tensor:
        """Returns which numbers of an input stay.

        Args:
            x: The input, (..., in) floats.
            share: Share of the numbers to drop.

        Returns:
            1 where a number stays, 0 elsewhere, in the shape of the input: bools on a GPU, which
            take less memory, and floats on a CPU, where they take less time.
        """
        if self._mask is None or self._input is not x:
            self._input, self._left = x, self._num_layers
            # The numbers that PEFT's dropout draws, so that one seed gives the same masks.
            dtype = torch.bool if x.is_cuda else x.dtype
            self._mask = torch.empty_like(x, dtype=dtype).bernoulli_(1 - share)
        mask = self._mask
        self._left -= 1
        if self._left == 0:
            self._input = self._mask = None
        return mask


class _LoraLinear(torch.autograd.Function):
    """y = x W^T + bias + scale ((x * mask) A^T) B^T, where W and the bias are frozen.

    The scale makes up for what is dropped. The parameters themselves are kept, not views of them:
    under ZeRO-3 their contents may be let go of and gathered again before the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        mask: Tensor | None,
        scale: float,
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        dropped = rows if mask is None else rows * mask.view_as(rows)
        inner = dropped @ a.t()
        out = rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())
        out.addmm_(inner, b.t(), alpha=scale)
        ctx.save_for_backward(x, weight, a, b, mask, inner)
        ctx.scale = scale
        return out.view(*x.shape[:-1], out.shape[-1])

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's context
        *gradients: Tensor,
    ) -> tuple[Tensor | None, ...]:
        x, weight, a, b, mask, inner = ctx.saved_tensors
        rows = x.reshape(-1, x.shape[-1])
        gradient = gradients[0].reshape(-1, gradients[0].shape[-1])
        for_inner = (gradient @ b).mul_(ctx.scale)
        for_b = (gradient.t() @ inner).mul_(ctx.scale) if ctx.needs_input_grad[4] else None
        for_a = for_x = None
        if ctx.needs_input_grad[3]:
            dropped = rows if mask is None else rows * mask.view_as(rows)
            for_a = for_inner.t() @ dropped
        if ctx.needs_input_grad[0]:
            for_x = gradient @ weight
            if mask is None:
                for_x.addmm_(for_inner, a)
            else:
                for_x.addcmul_(for_inner @ a, mask.view_as(rows))
            for_x = for_x.view(x.shape)
        return for_x, None, None, for_a, for_b, None, None


def fuse_lora(model: nn.Module, *, shared_dropout: bool) -> None:
    """Makes each LoRA layer of a model one operation.

    Args:
        model: A model that PEFT has wrapped; its modules stay the same objects.
        shared_dropout: Whether layers with the same input share its dropout: query, key and value,
            and the gate with the layer beside it. PEFT drops other numbers for each of them.

    Raises:
        MismatchError: If a layer is more than plain LoRA on a linear layer.
    """
    for parent in model.modules():
        layers = {name: one for name, one in parent.named_children() if isinstance(one, Linear)}
        for name, layer in layers.items():
            _fuse(name, layer)
        for group in _SHARED_INPUTS if shared_dropout else ():
            members = [layers[name] for name in group if name in layers]
            masks = DropoutMasks(len(members))
            for member in members:
                member.masks = masks


def _fuse(name: str, layer: Any) -> None:  # noqa: ANN401 - its class changes
    base = layer.get_base_layer()
    if type(layer) is not Linear or type(base) is not nn.Linear or layer.lora_variant:
        raise MismatchError(
            f"the LoRA layer {name} can't be one operation",
            seen=f"{type(layer).__name__} on {type(base).__name__}"
            + (f", {', '.join(layer.lora_variant)}" if layer.lora_variant else ""),
            fix="Leave lora.fused off for DoRA, and for weights in 4 bits.",
        )
    layer.__class__ = FusedLoraLinear
    layer.masks = DropoutMasks()
