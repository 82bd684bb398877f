"""Makes ldp.safetensors: inputs, weights and outputs of LDP out of torchvision's blocks.

The platform doesn't depend on torchvision, so run this in an environment of its own:

    python3.11 -m venv /tmp/ldp && /tmp/ldp/bin/pip install torch==2.0.1 torchvision==0.15.2 \
        'numpy<2' safetensors
    /tmp/ldp/bin/python tests/golden/make_ldp_golden.py

The committed file was made on a CPU with Python 3.11.7, torch 2.0.1, torchvision 0.15.2 (the
version that MobileVLM and PALO pin) and safetensors 0.8.0. Weight names are those behind
`model.mm_projector.model.` in released checkpoints.
"""

import math
from functools import partial
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig

# (name, vision width, text width, patches): the real grid; and an odd one whose quarter width
# torchvision rounds up.
CASES = (("grid24", 24, 32, 576), ("grid5", 16, 40, 25))
SEED = 20240222


class ChannelNorm(nn.LayerNorm):
    """What timm calls LayerNorm2d: normalization over the channels of an image."""

    def forward(self, grid: Tensor) -> Tensor:
        return super().forward(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ReferenceLdp(nn.Module):
    """The projector as MobileVLM describes it, out of torchvision's own blocks."""

    def __init__(self, vision_size: int, text_size: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Identity(),
            nn.Linear(vision_size, text_size),
            nn.GELU(),
            nn.Linear(text_size, text_size),
        )
        self.mb_block = nn.Sequential(nn.Identity(), _block(text_size, 1), _block(text_size, 2))

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.mlp(features)
        side = math.isqrt(hidden.shape[1])
        grid = hidden.permute(0, 2, 1).reshape(hidden.shape[0], -1, side, side)
        return self.mb_block(grid).flatten(2).permute(0, 2, 1)


def _block(width: int, stride: int) -> InvertedResidual:
    config = InvertedResidualConfig(width, 3, width, width, True, "HS", stride, 1, 1.0)
    return InvertedResidual(config, partial(ChannelNorm, eps=1e-5))


def main() -> None:
    versions = (torch.__version__.split("+")[0], torchvision.__version__.split("+")[0])
    assert versions == ("2.0.1", "0.15.2"), f"made with {versions}, see the docstring"
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    tensors: dict[str, Tensor] = {}
    for name, vision_size, text_size, num_patches in CASES:
        model = ReferenceLdp(vision_size, text_size).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                # Away from the ones and zeros that normalization starts with.
                parameter.add_(torch.randn_like(parameter) * 0.1)
            features = torch.randn(2, num_patches, vision_size)
            tensors[f"{name}.features"] = features
            tensors[f"{name}.tokens"] = model(features).contiguous()
        for key, value in model.state_dict().items():
            tensors[f"{name}.model.mm_projector.model.{key}"] = value
    path = Path(__file__).with_name("ldp.safetensors")
    metadata = {"torch": versions[0], "torchvision": versions[1], "seed": str(SEED)}
    save_file(tensors, path, metadata=metadata)
    print(f"{path}: {path.stat().st_size} bytes, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
