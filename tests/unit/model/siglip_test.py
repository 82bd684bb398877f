"""Towers of SigLIP and SigLIP 2, from released folders and from those of `save_pretrained`."""

import pytest
import torch
from tests.fixtures.backbones import tiny_text_config
from transformers import (
    AutoModelForCausalLM,
    Siglip2VisionConfig,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from palo.checkpoint.parts import weights_fingerprint
from palo.errors import ConfigError
from palo.images.preprocessing import read_preprocessing
from palo.model.assemble import assemble
from palo.model.sizes import from_parts

SIZE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}


@pytest.fixture
def language_model(tmp_path):
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(tiny_text_config("qwen3")).save_pretrained(tmp_path / "words")
    return tmp_path / "words"


@pytest.fixture(params=["whole", "vision"])
def tower(request, tmp_path):
    """A folder of text and vision halves, as SigLIP 2 is released, or of the latter alone."""
    torch.manual_seed(1)
    vision = SiglipVisionConfig(**SIZE, image_size=48, patch_size=16)
    if request.param == "vision":
        model = SiglipVisionModel(vision)
    else:
        text = SIZE | {"vocab_size": 64, "max_position_embeddings": 16}
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision.to_dict()))
    model.save_pretrained(tmp_path / "tower")
    return tmp_path / "tower"


def test_features_are_all_patches_of_the_last_layer_but_one(tower, language_model):
    model = assemble(tower, language_model)
    assert (model.config.num_patches, model.config.tokens_per_image) == (9, 9)
    alone = SiglipVisionModel.from_pretrained(tower).eval()
    pixels = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        hidden = alone(pixel_values=pixels, output_hidden_states=True).hidden_states
        features = model.vision_tower(pixels)
    assert torch.equal(features, hidden[-2])
    assert len(weights_fingerprint(tower)) == 16


def test_the_pooled_output_takes_no_part(tower, language_model):
    model = assemble(tower, language_model)
    pixels = torch.randn(1, 3, 48, 48)
    before = model.vision_tower(pixels)
    heads = [p for name, p in model.vision_tower.named_parameters() if ".head." in name]
    assert heads
    for parameter in heads:
        parameter.data.normal_()
    assert torch.equal(model.vision_tower(pixels), before)


def test_a_tower_with_its_colours_unsaid_gets_siglips(tower):
    found = read_preprocessing(tower, 48)
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    said = '{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 2}'
    (tower / "preprocessor_config.json").write_text(said)
    found = read_preprocessing(tower, 48)
    assert (found.mean, found.std, found.resample) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 2)


def test_images_of_any_shape_are_refused():
    naflex = Siglip2VisionConfig(**SIZE)
    with pytest.raises(ConfigError, match="the tower's configuration has no image_size"):
        from_parts(naflex, tiny_text_config("qwen3"))
