"""Language models of other architectures as parts: pickled ones, and the text half of Gemma 3."""

from types import SimpleNamespace

import pytest
import torch
from tests.fixtures.backbones import scatter_norms, tiny_text_config

from palo.checkpoint.importing import open_parts
from palo.checkpoint.parts import ModelParts
from palo.errors import MismatchError
from palo.model.assemble import load_part
from palo.model.backbones import language_model_class
from palo.model.sizes import from_folders, read_config

VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}


def opened(folder):
    missing = folder / "missing"
    return open_parts(ModelParts(tower=missing, language_model=folder, tokenizer=missing))


def logits_of(folder):
    config = read_config(folder)
    model = load_part(language_model_class(config), folder, config, torch.float32).eval()
    with torch.no_grad():
        return model(torch.arange(1, 30)[None]).logits


@pytest.fixture
def seeing(tmp_path):
    """A tiny Gemma 3 of text and images, as `save_pretrained` writes it, and its logits."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    torch.manual_seed(0)
    ids = {"image_token_index": 98, "boi_token_index": 96, "eoi_token_index": 97}
    text = tiny_text_config("gemma3").to_dict()
    config = Gemma3Config(text_config=text, vision_config=VISION, mm_tokens_per_image=16, **ids)
    model = Gemma3ForConditionalGeneration(config).eval()
    scatter_norms(model)
    model.save_pretrained(tmp_path / "gemma")
    with torch.no_grad():
        logits = model(torch.arange(1, 30)[None]).logits
    return SimpleNamespace(folder=tmp_path / "gemma", logits=logits)


def test_the_text_half_of_gemma_3_is_taken_out(imports, seeing):
    found = opened(seeing.folder).language_model
    assert found.parent == imports
    assert torch.equal(logits_of(found), seeing.logits)
    assert opened(seeing.folder).language_model == found


def test_a_plan_reads_the_sizes_of_the_text_half(seeing, tmp_path):
    from transformers import SiglipVisionConfig

    SiglipVisionConfig(**VISION).save_pretrained(tmp_path / "tower")
    config = from_folders(tmp_path / "tower", seeing.folder)
    assert (config.text_config.model_type, config.text_hidden_size) == ("gemma3_text", 48)


@pytest.mark.parametrize("name", ["qwen3", "gemma3"])
def test_pickled_weights_are_imported(imports, tmp_path, name):
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(tiny_text_config(name)).eval()
    scatter_norms(model)
    folder = tmp_path / "words"
    model.config.save_pretrained(folder)
    weights = model.state_dict()
    if model.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    torch.save(weights, folder / "pytorch_model.bin")
    found = opened(folder).language_model
    assert found.parent == imports
    with torch.no_grad():
        assert torch.equal(logits_of(found), model(torch.arange(1, 30)[None]).logits)


def test_a_language_model_of_an_unknown_kind_is_told(imports, tmp_path):
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=9, intermediate_size=16, **size))
    model.config.save_pretrained(tmp_path / "words")
    torch.save(
        {"model.embed_tokens.weight": model.gpt_neox.embed_in.weight},
        tmp_path / "words" / "pytorch_model.bin",
    )
    with pytest.raises(MismatchError, match=r"no language model that can be used.*gpt_neox.*qwen3"):
        opened(tmp_path / "words")
