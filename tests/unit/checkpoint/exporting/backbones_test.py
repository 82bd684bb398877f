"""Exports of models on other backbones: what is written answers alike, the rest is refused."""

import pytest
import torch
from tests.fixtures.backbones import NEW, scatter_norms, tiny_text_config
from tests.fixtures.new_tokenizers import write_gemma_json, write_qwen_json
from tests.unit.text.conftest import SENTENCES

from palo.checkpoint.exporting import gguf
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import ExportSettings
from palo.checkpoint.exporting.vllm_files import vllm_faults
from palo.checkpoint.finished import read_stage, write_stage
from palo.checkpoint.parts import ModelParts
from palo.config import to_dict
from palo.errors import ConfigError
from palo.images.preprocessing import read_preprocessing
from palo.inference.engine import EngineSettings
from palo.model.assemble import assemble
from palo.model.lora import LoraSettings, attach_lora
from palo.serve import loading
from palo.serve.settings import ModelSource
from palo.text.tokenizer import load_tokenizer

LORA = LoraSettings(rank=4, alpha=8, dropout=0.0)


@pytest.fixture
def stage_on(tmp_path):
    """Makes a finished stage with an adapter, on a SigLIP tower and a tiny language model."""
    from transformers import AutoModelForCausalLM, SiglipVisionConfig, SiglipVisionModel

    def make(name):
        is_gemma = name.startswith("gemma")
        write = write_gemma_json if is_gemma else write_qwen_json
        folder = write(tmp_path / "tokenizer", SENTENCES.values())
        num_tokens = load_tokenizer(folder).vocab_size
        torch.manual_seed(0)
        tower = SiglipVisionConfig(
            hidden_size=32, intermediate_size=64, num_attention_heads=4, num_hidden_layers=3,
            image_size=32, patch_size=8,
        )  # fmt: skip
        SiglipVisionModel(tower).save_pretrained(tmp_path / "tower")
        saved = AutoModelForCausalLM.from_config(
            tiny_text_config(name, vocab_size=num_tokens + 9, initializer_range=0.1)
        )
        scatter_norms(saved)
        saved.save_pretrained(tmp_path / "language_model")
        parts = ModelParts(
            tower=tmp_path / "tower",
            language_model=tmp_path / "language_model",
            tokenizer=tmp_path / "tokenizer",
        )
        wrapped = attach_lora(assemble(parts.tower, parts.language_model), LORA)
        trained = {key: one for key, one in wrapped.named_parameters() if one.requires_grad}
        for key, one in trained.items():
            if ".lora_B." in key:
                one.data = torch.randn_like(one) * 0.1
        write_stage(
            tmp_path / "stage",
            {key.removeprefix("base_model.model."): one.detach() for key, one in trained.items()},
            parts=parts,
            lora=LORA,
            template="gemma" if is_gemma else "qwen3",
            preprocessing=to_dict(read_preprocessing(parts.tower, 32)),
            lineage={},
        )
        return tmp_path / "stage"

    return make


def _pairs():
    """All pairs of backbone and format; all but two of them are drills."""
    for name in NEW:
        for to in ("llava", "palo", "adapter"):
            is_quick = to == "llava" and name in ("qwen3", "gemma3")
            yield pytest.param(name, to, marks=() if is_quick else pytest.mark.drill)


@pytest.mark.parametrize(("name", "to"), _pairs())
def test_an_export_answers_as_its_model(stage_on, name, to, tmp_path):
    """The comparison is that of every export: ids, logits, answers."""
    wanted = ExportSettings(model=stage_on(name), to=to, output=tmp_path / "out", dtype="float32")
    done = export(wanted, say=lambda _: None)
    assert done.verification is not None


def unread(stage):
    raise AssertionError("weights were read")


@pytest.mark.parametrize(("name", "title"), [("qwen3", "Qwen3"), ("gemma3", "Gemma 3")])
def test_what_isnt_supported_is_refused_before_weights_are_read(
    stage_on, name, title, tmp_path, monkeypatch
):
    stage = stage_on(name)
    monkeypatch.setattr(gguf, "merged_weights", unread)
    with pytest.raises(ConfigError, match=f"no export to gguf for language models of {title}"):
        export(ExportSettings(model=stage, to="gguf", output=tmp_path / "out"))
    assert any("its language model is a" in fault for fault in vllm_faults(read_stage(stage)))


def test_vllm_as_the_engine_is_refused_before_weights_are_read(stage_on, monkeypatch):
    monkeypatch.setattr(loading, "load_models", unread)
    source = ModelSource(name="mine", folder=stage_on("qwen3"))
    with pytest.raises(ConfigError, match=r"no replica\.backend vllm for language models of Qwen3"):
        loading.load_engine([source], EngineSettings(), "vllm")
