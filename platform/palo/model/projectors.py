"""Projectors: from the features of the vision tower to tokens of the language model.

Module names are those of the released checkpoints, so that a prefix is all that has to change:
`model.mm_projector.` (MLP) or `model.mm_projector.model.` (LDP) becomes `projector.`.
"""

import math
import re
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

_MLP = re.compile(r"mlp([1-9]\d*)x_gelu")


class MlpProjector(nn.Sequential):
    """A stack of linear layers with GELU between them: one token for each patch.

    Args:
        vision_size: Width of the features (D).
        text_size: Width of the language model (H).
        depth: Number of linear layers.

    Source: LLaVA-1.5 (arXiv 2310.03744), section 3.2; PALO (arXiv 2402.14818), section 3.1.
    """

    reference_prefix: ClassVar[str] = "model.mm_projector."

    def __init__(self, vision_size: int, text_size: int, depth: int) -> None:
        layers: list[nn.Module] = [nn.Linear(vision_size, text_size)]
        for _ in range(depth - 1):
            layers += [nn.GELU(), nn.Linear(text_size, text_size)]
        super().__init__(*layers)

    @staticmethod
    def tokens_per_image(num_patches: int) -> int:
        """Returns the number of tokens (T) for an image of this many patches.

        Args:
            num_patches: Patches that the tower gives for an image.
        """
        return num_patches


class LdpProjector(nn.Module):
    """The lightweight downsample projector: convolutions that leave a quarter of the tokens.

    Args:
        vision_size: Width of the features (D).
        text_size: Width of the language model (H).

    Source: MobileVLM (arXiv 2312.16886), section 3.3; PALO (arXiv 2402.14818), section 3.1.
    """

    reference_prefix: ClassVar[str] = "model.mm_projector.model."

    def __init__(self, vision_size: int, text_size: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Identity(),
            nn.Linear(vision_size, text_size),
            nn.GELU(),
            nn.Linear(text_size, text_size),
        )
        self.mb_block = nn.Sequential(
            nn.Identity(), _MobileBlock(text_size, stride=1), _MobileBlock(text_size, stride=2)
        )

    @staticmethod
    def tokens_per_image(num_patches: int) -> int:
        """Returns the number of tokens (T) for an image of this many patches.

        Args:
            num_patches: Patches that the tower gives for an image, a square number.

        Raises:
            ValueError: If the patches don't form a square.
        """
        side = math.isqrt(num_patches)
        if side * side != num_patches:
            raise ValueError(f"the ldp projector needs a square of patches, not {num_patches}")
        return ((side + 1) // 2) ** 2

    def forward(self, features: Tensor) -> Tensor:
        """Projects features.

        Args:
            features: (N, P, D) floats; the P patches are a square, row by row.

        Returns:
            (N, T, H) floats with half as many rows and columns, rounded up.
        """
        num_images, num_patches, _ = features.shape
        side = math.isqrt(num_patches)
        grid = self.mlp(features).transpose(1, 2).reshape(num_images, -1, side, side)
        tokens: Tensor = self.mb_block(grid).flatten(2).transpose(1, 2)
        return tokens


class _MobileBlock(nn.Module):
    """A MobileNetV3 block without expansion: depthwise, squeeze-and-excitation, pointwise.

    Source: MobileNetV3 (arXiv 1905.02244), with layer normalization over the channels.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        depthwise = nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False)
        pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.block = nn.Sequential(
            nn.Sequential(depthwise, _ChannelNorm(width), nn.Hardswish()),
            _SqueezeExcitation(width),
            nn.Sequential(pointwise, _ChannelNorm(width)),
        )
        self.has_skip = stride == 1

    def forward(self, grid: Tensor) -> Tensor:
        out: Tensor = self.block(grid)
        return out + grid if self.has_skip else out


class _SqueezeExcitation(nn.Module):
    """Scales every channel by a gate that the image's mean decides."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, _squeezed(width), 1)
        self.fc2 = nn.Conv2d(_squeezed(width), width, 1)

    def forward(self, grid: Tensor) -> Tensor:
        mean = grid.mean(dim=(2, 3), keepdim=True)
        return grid * functional.hardsigmoid(self.fc2(functional.relu(self.fc1(mean))))


class _ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of (N, C, rows, columns)."""

    def forward(self, grid: Tensor) -> Tensor:
        return super().forward(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _squeezed(width: int) -> int:
    """Returns a quarter of the width as a multiple of 8, at most a tenth below the quarter."""
    quarter = width // 4
    rounded = max(8, (quarter + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * quarter else rounded


Projector = MlpProjector | LdpProjector


def projector_kind(projector_type: str) -> type[Projector]:
    """Returns the class of a projector type.

    Args:
        projector_type: Such as mlp2x_gelu or ldp.

    Raises:
        ValueError: If there is no such type.
    """
    if projector_type == "ldp":
        return LdpProjector
    if _MLP.fullmatch(projector_type):
        return MlpProjector
    raise ValueError(f"projector_type {projector_type!r} is neither 'mlpNx_gelu' nor 'ldp'")


class ProjectorSizes(Protocol):
    """What of a model's configuration its projector depends on."""

    projector_type: str
    vision_hidden_size: int
    text_hidden_size: int


def build_projector(config: ProjectorSizes) -> Projector:
    """Builds the projector of a configuration with PyTorch's default random weights.

    Args:
        config: A `PaloConfig`.

    Raises:
        ValueError: If there is no such type of projector.
    """
    sizes = (config.vision_hidden_size, config.text_hidden_size)
    if projector_kind(config.projector_type) is LdpProjector:
        return LdpProjector(*sizes)
    match = _MLP.fullmatch(config.projector_type)
    assert match is not None
    return MlpProjector(*sizes, depth=int(match[1]))


def reset_module(module: nn.Module) -> None:
    """Gives a layer PyTorch's default random weights; modules without weights stay as they are.

    Args:
        module: The module.
    """
    if isinstance(module, nn.Linear | nn.Conv2d | nn.LayerNorm):
        with torch.no_grad():
            module.reset_parameters()
