"""A model of a paper's shapes with random weights, made where it will be used."""

import torch

from palo.model import PaloForConditionalGeneration
from palo.model.sizes import SIZES


def random_model(
    size: str, device: str, num_layers: int | None = None
) -> PaloForConditionalGeneration:
    """Builds a model in bfloat16; of its tower, which isn't used, one layer is enough.

    Args:
        size: Name of its shapes in `SIZES`.
        device: Where it is.
        num_layers: Layers of the language model; None for its own.
    """
    sizes = SIZES[size]()
    sizes.vision_config.num_hidden_layers = 1
    sizes.vision_feature_layer = -1
    sizes.dtype = torch.bfloat16
    if num_layers is not None:
        sizes.text_config.num_hidden_layers = num_layers
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            return PaloForConditionalGeneration(sizes)
    finally:
        torch.set_default_dtype(before)
