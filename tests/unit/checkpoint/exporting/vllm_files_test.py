"""What lies beside the weights of our own format, so that vLLM takes the folder with our plugin."""

import importlib.util
import json
import os
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.fixtures.gguf_models import write_mobile_stage
from transformers import AutoProcessor, Dinov2Config, Dinov2Model, LlavaConfig

from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import ExportSettings
from palo.checkpoint.exporting.vllm_files import vllm_faults, write_vllm_files
from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.errors import ConfigError
from palo.inference import vllm_plugin

_ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    return read_stage(write_mobile_stage(tmp_path_factory.mktemp("mobile")))


def test_the_configuration_names_our_class_and_the_projector(mobile, tmp_path):
    write_vllm_files(mobile, tmp_path, "bfloat16")
    config = LlavaConfig.from_pretrained(tmp_path)
    model = load_trained(mobile.folder).model.config
    assert config.architectures == [vllm_plugin.ARCHITECTURE]
    assert (config.projector_type, config.image_seq_length) == ("ldp", model.tokens_per_image)
    assert config.text_config.vocab_size == model.text_config.vocab_size
    assert config.image_token_index >= model.text_config.vocab_size
    assert config.vision_config.hidden_size == model.vision_hidden_size
    assert config.vision_feature_layer == -2


def test_the_processor_counts_the_projectors_tokens(mobile, tmp_path):
    write_vllm_files(mobile, tmp_path, "float32")
    processor = AutoProcessor.from_pretrained(tmp_path)
    image = Image.fromarray(np.zeros((50, 70, 3), np.uint8))
    inputs = processor(images=image, text="USER: <image>\nwhat?", return_tensors="pt")
    image_id = json.loads((tmp_path / "config.json").read_text())["image_token_index"]
    assert int((inputs["input_ids"] == image_id).sum()) == 12 * 12
    assert inputs["pixel_values"].shape[-2:] == (96, 96)


def test_towers_that_vllm_lacks_are_refused(mobile, tmp_path):
    tower = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=96, patch_size=4
    )
    Dinov2Model(tower).save_pretrained(tmp_path / "tower")
    other = replace(mobile, parts=replace(mobile.parts, tower=tmp_path / "tower"))
    with pytest.raises(ConfigError, match="dinov2"):
        write_vllm_files(other, tmp_path / "out", "float32")
    assert not (tmp_path / "out").exists()
    (fault,) = vllm_faults(replace(mobile, preprocessing=None))
    assert "seen no images" in fault


def test_an_export_in_our_own_format_has_them(mobile, tmp_path):
    settings = ExportSettings(model=mobile.folder, output=tmp_path / "out", to="palo")
    folder = export(settings, say=lambda _: None).folder
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    assert {"tokenizer.json", "chat_template.jinja", "model.json"} <= set(os.listdir(folder))


def test_the_plugin_registers_a_class_that_exists_and_only_once(monkeypatch):
    known = {}
    registry = SimpleNamespace(get_supported_archs=known.keys, register_model=known.__setitem__)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(ModelRegistry=registry))
    vllm_plugin.register()
    registry.register_model = None
    vllm_plugin.register()
    module, _, name = known[vllm_plugin.ARCHITECTURE].partition(":")
    source = Path(importlib.util.find_spec(module).origin).read_text()
    assert f"class {name}(" in source


def test_the_package_names_the_plugin_as_vllms_entry_point():
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["vllm.general_plugins"]
    assert named == {"palo": f"{vllm_plugin.__name__}:{vllm_plugin.register.__name__}"}
