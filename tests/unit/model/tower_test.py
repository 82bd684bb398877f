import copy

import pytest
import torch
from transformers import (
    AutoModel,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    DINOv3ViTConfig,
    PreTrainedConfig,
    SiglipVisionConfig,
    SwinConfig,
    ViTConfig,
)

from palo.errors import ConfigError
from palo.model import PaloConfig
from palo.model.tower import VisionTower

SIZE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
# The configuration of each tower, and how many tokens stand in front of its patches.
TOWERS: dict[str, tuple[PreTrainedConfig | None, int]] = {
    "clip": (None, 1),
    "dinov2": (Dinov2Config(**SIZE), 1),
    "dinov2_with_registers": (Dinov2WithRegistersConfig(**SIZE, num_register_tokens=4), 5),
    "dinov3": (DINOv3ViTConfig(**SIZE, num_register_tokens=4), 5),
    "siglip": (SiglipVisionConfig(**SIZE), 0),
    "vit": (ViTConfig(**SIZE), 1),
}


def make(tiny_config, name: str, **values: object) -> tuple[VisionTower, PaloConfig]:
    torch.manual_seed(0)
    parts = tiny_config(tower=TOWERS[name][0]).to_dict()
    config = PaloConfig(**(parts | values))
    return VisionTower(config), config


@pytest.mark.parametrize("name", TOWERS)
@pytest.mark.parametrize("layer", [-1, -2, -3, 0])
def test_features_are_the_patches_of_the_hidden_state(tiny_config, name: str, layer: int) -> None:
    tower, config = make(tiny_config, name, vision_feature_layer=layer)
    # A second tower with the same weights, whose layers all run.
    whole = AutoModel.from_config(config.vision_config).eval()
    whole.load_state_dict(tower.model.state_dict())
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        hidden = whole(pixel_values=pixels, output_hidden_states=True).hidden_states[layer]
    features = tower(pixels)
    assert features.shape == (2, 16, 32)
    assert torch.equal(features, hidden[:, TOWERS[name][1] :])


@pytest.mark.parametrize("name", TOWERS)
def test_layers_behind_the_feature_do_not_run(tiny_config, name: str) -> None:
    tower, config = make(tiny_config, name, vision_feature_layer=-2)
    calls = []
    num_layers = config.vision_config.num_hidden_layers
    stack = next(
        module
        for module in tower.model.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == num_layers
    )
    for index, layer in enumerate(stack):
        # The first linear layer of a block tells that the block computed something.
        linear = next(m for m in layer.modules() if isinstance(m, torch.nn.Linear))
        linear.register_forward_hook(lambda *_, index=index: calls.append(index))
    tower(torch.randn(1, 3, 32, 32))
    assert calls == list(range(num_layers - 1))


@pytest.mark.parametrize("name", ["clip", "dinov2"])
def test_another_image_size_interpolates(tiny_config, name: str) -> None:
    tower, config = make(tiny_config, name, image_size=48)
    assert config.num_patches == 36
    assert tower(torch.randn(1, 3, 48, 48)).shape == (1, 36, 32)


def test_it_is_frozen_and_stays_in_evaluation_mode(tiny_model) -> None:
    model = tiny_model().train()
    tower = model.vision_tower
    assert model.projector.training
    assert not any(module.training for module in tower.model.modules())
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert not tower(torch.randn(1, 3, 32, 32, requires_grad=True)).requires_grad


def test_pixels_of_another_type_are_converted(tiny_config) -> None:
    tower, _ = make(tiny_config, "clip")
    tower.to(torch.bfloat16)
    assert tower(torch.randn(1, 3, 32, 32)).dtype == torch.bfloat16


def test_images_of_another_size_are_an_error(tiny_config) -> None:
    tower, _ = make(tiny_config, "dinov2")
    with pytest.raises(ValueError, match=r"32 x 32 pixels, got \(1, 3, 40, 40\)"):
        tower(torch.randn(1, 3, 40, 40))


def test_a_tower_that_merges_patches_is_an_error(tiny_config) -> None:
    swin = SwinConfig(
        image_size=32, patch_size=8, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=2
    )
    tower = VisionTower(PaloConfig(**tiny_config(tower=swin).to_dict()))
    with pytest.raises(ConfigError, match="keep every patch"):
        tower(torch.randn(1, 3, 32, 32))


def test_a_copy_skips_the_same_layers(tiny_config) -> None:
    tower, _ = make(tiny_config, "clip")
    pixels = torch.randn(1, 3, 32, 32)
    twin = copy.deepcopy(tower)
    assert torch.equal(twin(pixels), tower(pixels))
    stack = twin.model.encoder.layers
    assert stack[-1].forward.__self__ is stack[-1]
