import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from palo.checkpoint.parts import weights_fingerprint
from palo.corpus.config import CorpusConfig, SourceConfig
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.corpus.images_step.tower_encoder import TowerEncoder, spec_of
from palo.errors import ConfigError, ResourceError


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
    features = TowerEncoder(config.tower, spec, EncoderSettings())(pixels)
    values = torch.from_numpy(spec.preprocessing.normalise(pixels.numpy()))
    with torch.no_grad():
        model = CLIPVisionModel.from_pretrained(config.tower)
        expected = model(values, output_hidden_states=True).hidden_states[-2][:, 1:]
    assert features.shape == (20, 4, 16)
    assert torch.allclose(features.float(), expected, atol=tolerance)


def test_a_tower_in_bfloat16_fills_a_store_of_its_own(config):
    """What one type computed is never taken for another's."""
    halves = EncoderSettings(dtype="bfloat16", batch=3)
    spec = spec_of(dataclasses.replace(config, encoders=halves, feature_dtype="fp32"))
    whole = spec_of(dataclasses.replace(config, feature_dtype="fp32"))
    assert spec.name != whole.name
    pixels = torch.randint(0, 256, (7, 3, 14, 14), dtype=torch.uint8)
    got = TowerEncoder(config.tower, spec, halves)(pixels)
    expected = TowerEncoder(config.tower, whole, EncoderSettings())(pixels)
    assert not torch.equal(got, expected)
    assert torch.allclose(got, expected, atol=0.05)


def test_the_size_of_a_batch_changes_nothing(config):
    spec = spec_of(dataclasses.replace(config, feature_dtype="fp32"))
    pixels = torch.randint(0, 256, (7, 3, 14, 14), dtype=torch.uint8)
    ones, all_at_once = (
        TowerEncoder(config.tower, spec, EncoderSettings(batch=batch))(pixels) for batch in (1, 7)
    )
    assert torch.allclose(ones, all_at_once, atol=1e-6)


def test_two_threads_get_what_one_gets(config):
    spec = spec_of(config)
    encoder = TowerEncoder(config.tower, spec, EncoderSettings(batch=2))
    shards = [torch.randint(0, 256, (5, 3, 14, 14), dtype=torch.uint8) for _ in range(6)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(encoder, shards))
    assert all(map(torch.equal, together, map(encoder, shards)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU")
def test_an_encoder_that_was_given_a_gpu_never_falls_back_to_a_cpu(config):
    with pytest.raises(ResourceError, match="GPU that torch can't use"):
        TowerEncoder(config.tower, spec_of(config), EncoderSettings(gpus=0.5))


def test_no_image_gives_no_features(config):
    none = torch.zeros((0, 3, 14, 14), dtype=torch.uint8)
    features = TowerEncoder(config.tower, spec_of(config), EncoderSettings())(none)
    assert features.shape == (0, 4, 16)
    assert features.dtype == torch.bfloat16
