"""The frozen vision tower: from pixels to the features of patches."""

import inspect
from types import MethodType

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from palo.errors import ConfigError
from palo.model.config import PaloConfig


class VisionTower(nn.Module):
    """Any Hugging Face vision model with hidden_states, never trained.

    Layers after the one that gives the features keep their weights but don't run.

    Args:
        config: The configuration of the whole model.
    """

    def __init__(self, config: PaloConfig) -> None:
        super().__init__()
        self.num_patches = config.num_patches
        self.image_size = config.input_image_size
        self.layer_index = config.feature_layer_index
        self.attach(AutoModel.from_config(config.vision_config))

    def attach(self, model: PreTrainedModel) -> None:
        """Makes this the tower's model and freezes it.

        Args:
            model: A Hugging Face vision model.
        """
        self.model: PreTrainedModel = model
        self.train(False)
        _skip_layers(self.model, self.layer_index)
        self.extra_arguments = _interpolation(self.model, self.image_size)

    def train(self, mode: bool = True) -> "VisionTower":
        """Stays in evaluation mode and frozen, whatever the rest of the model does.

        Args:
            mode: Ignored.
        """
        super().train(mode)
        self.model.eval()
        # Also here: from_pretrained replaces the parameters by ones that ask for gradients.
        self.model.requires_grad_(False)
        return self

    @property
    def dtype(self) -> torch.dtype:
        """Type of the tower's weights."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """Encodes images.

        Args:
            pixels: (N, 3, rows, columns) floats, normalized as the tower expects them.

        Returns:
            (N, P, D) features of the patches, row by row, in the type of the tower's weights.

        Raises:
            ValueError: If the images don't have the configured size.
            ConfigError: If the model's hidden states drop patches.
        """
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(
                f"the tower takes images of {self.image_size} x {self.image_size} pixels, "
                f"got {tuple(pixels.shape)}"
            )
        outputs = self.model(
            pixel_values=pixels.to(self.dtype), output_hidden_states=True, **self.extra_arguments
        )
        hidden: Tensor = outputs.hidden_states[self.layer_index]
        num_extra = hidden.shape[1] - self.num_patches
        if num_extra < 0:
            raise ConfigError(
                f"the tower gives {hidden.shape[1]} tokens for one image",
                seen=f"{self.num_patches} patches expected",
                fix="Use a tower whose hidden states keep every patch.",
            )
        return hidden[:, num_extra:]


def _skip_layers(model: PreTrainedModel, layer_index: int) -> None:
    """Lets every layer from this one on pass on what it gets, where that is known to be safe.

    That is: one stack of layers, each from a tensor to a tensor. The layers stay where they are, so
    that weights keep their names and ZeRO-3 its module order.
    """
    num_layers = model.config.num_hidden_layers
    stacks = [
        module
        for module in model.modules()
        if isinstance(module, nn.ModuleList)
        and len(module) == num_layers
        and all(_returns_tensor(layer) for layer in module)
    ]
    if len(stacks) != 1:
        return
    for layer in stacks[0][layer_index:]:
        layer.forward = MethodType(_pass_on, layer)


def _returns_tensor(layer: nn.Module) -> bool:
    return inspect.signature(type(layer).forward).return_annotation in (Tensor, "torch.Tensor")


def _pass_on(layer: nn.Module, hidden_states: Tensor, *args: object, **kwargs: object) -> Tensor:
    return hidden_states


def _interpolation(model: PreTrainedModel, image_size: int) -> dict[str, bool]:
    """Returns the argument that makes a tower take images of another size than its own."""
    own_size = model.config.image_size
    own_side = own_size if isinstance(own_size, int) else own_size[0]
    takes_it = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
    return {"interpolate_pos_encoding": True} if takes_it and own_side != image_size else {}
