import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from palo.checkpoint.parts import weights_fingerprint
from palo.corpus.config import CorpusConfig, SourceConfig
from palo.corpus.images_step.tower_encoder import TowerEncoder, spec_of
from palo.errors import ConfigError


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tower")
    torch.manual_seed(0)
    clip = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=14,
        patch_size=7,
    )
    CLIPVisionModel(clip).save_pretrained(folder)
    return CorpusConfig(
        sources=(SourceConfig(name="s", path=Path("s")),),
        output=Path("o"),
        tokenizer=Path("t"),
        tower=folder,
    )


def test_the_spec_names_what_the_tower_gives(config):
    spec = spec_of(config)
    assert spec.shape == (4, 16)
    assert spec.tower_fingerprint == weights_fingerprint(config.tower)
    assert (spec.layer, spec.select, spec.dtype) == (-2, "patch", "bf16")
    assert spec.preprocessing.image_size == 14
    pixels = spec_of(dataclasses.replace(config, store="pixels"))
    assert (pixels.shape, pixels.dtype, pixels.tower_fingerprint) == ((3, 14, 14), "uint8", "")
    with pytest.raises(ConfigError, match="vision_feature_layer"):
        spec_of(dataclasses.replace(config, feature_layer=-9))


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 1e-5), ("bf16", 0.05)])
def test_features_equal_the_hidden_states(config, dtype, tolerance):
    spec = spec_of(dataclasses.replace(config, feature_dtype=dtype))
    pixels = torch.randint(0, 256, (20, 3, 14, 14), dtype=torch.uint8)
    features = TowerEncoder(config.tower, spec)(pixels)
    values = torch.from_numpy(spec.preprocessing.normalise(pixels.numpy()))
    with torch.no_grad():
        model = CLIPVisionModel.from_pretrained(config.tower)
        expected = model(values, output_hidden_states=True).hidden_states[-2][:, 1:]
    assert features.shape == (20, 4, 16)
    assert torch.allclose(features.float(), expected, atol=tolerance)
