"""A Llava folder loads in transformers without a fault and gives our model's logits."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from tests.fixtures.finished import write_finished_stage
from tests.unit.checkpoint.exporting.tokenizer_files_test import write_json_tokenizer
from transformers import (
    AutoProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from palo.checkpoint.exporting.llava import write_llava
from palo.checkpoint.exporting.llava_config import llava_config, tower_layout
from palo.checkpoint.exporting.tokenizer_files import WrittenTokenizer
from palo.checkpoint.finished import read_stage, write_stage
from palo.checkpoint.load import load_trained
from palo.checkpoint.parts import ModelParts
from palo.config import to_dict
from palo.errors import ConfigError, MismatchError
from palo.images.preprocessing import Preprocessing
from palo.model.assemble import assemble
from palo.model.sizes import mini, mobile_1_7b, palo_7b
from palo.text.tokenizer import load_tokenizer

# Worst difference measured in float32: 8e-6, from the order of additions in merging.
TOLERANCE = 1e-4
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
TOWERS = {
    "clip": (
        CLIPVisionModel,
        CLIPVisionConfig(image_size=32, patch_size=8, hidden_size=32, **LAYERS),
    ),
    "siglip": (
        SiglipVisionModel,
        SiglipVisionConfig(image_size=32, patch_size=8, hidden_size=32, **LAYERS),
    ),
    "dinov2": (
        Dinov2Model,
        Dinov2Config(
            image_size=56, patch_size=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=4
        ),
    ),
}


def write_other_stage(folder, tower, image_size=None):
    """A model unlike the paper's: tied embeddings, grouped heads, scaled RoPE, byte-level BPE."""
    parts = ModelParts(
        tower=folder / "tower",
        language_model=folder / "language_model",
        tokenizer=folder / "tokenizer",
        image_size=image_size,
    )
    write_json_tokenizer(parts.tokenizer)
    torch.manual_seed(0)
    kind, config = TOWERS[tower]
    kind(config).save_pretrained(parts.tower)
    language = LlamaConfig(
        vocab_size=load_tokenizer(parts.tokenizer).vocab_size,
        hidden_size=48,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.3,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 100_000.0},
        **LAYERS,
    )
    LlamaForCausalLM(language).save_pretrained(parts.language_model)
    projector = assemble(parts.tower, parts.language_model, image_size=image_size).projector
    side = image_size or config.image_size
    write_stage(
        folder / "stage",
        {f"projector.{name}": one * 3 for name, one in projector.state_dict().items()},
        parts=parts,
        lora=None,
        template="chatml",
        preprocessing=to_dict(
            Preprocessing(aspect="crop", image_size=side, shortest_edge=side + 8)
        ),
        lineage={},
    )
    return folder / "stage"


@torch.no_grad()
def worst_difference(stage, folder):
    """Loads both, and compares their logits of a prompt with an image."""
    model, report = LlavaForConditionalGeneration.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32
    )
    assert not any(report.values()), report
    own = load_trained(stage).model
    image_id, config = model.config.image_token_index, own.config
    ids = torch.tensor([[1, *[-200] * config.tokens_per_image, *range(100, 130)]])
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(1, 3, *[config.input_image_size] * 2, generator=generator)
    wanted = own(input_ids=ids, pixels=pixels).logits
    got = model(input_ids=ids.masked_fill(ids < 0, image_id), pixel_values=pixels).logits
    assert wanted.std() > 0.5, "weights too small for the comparison to mean anything"
    added = got[..., wanted.shape[-1] :]
    assert (added.amax(-1) <= wanted.amax(-1)).all(), "an added word would be said"
    return (got[..., : wanted.shape[-1]] - wanted).abs().max().item()


def test_an_adapter_is_merged_in_classic_names(adapted_stage, tmp_path):
    write_llava(read_stage(adapted_stage), tmp_path, torch.float32)
    assert worst_difference(adapted_stage, tmp_path) <= TOLERANCE
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert {
        "vision_tower.vision_model.embeddings.class_embedding",
        "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight",
        "multi_modal_projector.linear_1.weight",
        "multi_modal_projector.linear_2.bias",
        "language_model.model.embed_tokens.weight",
        "language_model.model.norm.weight",
        "language_model.lm_head.weight",
    } <= names


def test_shards_load_as_one_model(adapted_stage, tmp_path):
    write_llava(read_stage(adapted_stage), tmp_path, torch.float32, max_shard_bytes=60_000)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 3
    assert worst_difference(adapted_stage, tmp_path) <= TOLERANCE


@pytest.mark.parametrize("tower", ["siglip", "dinov2"])
def test_other_towers_and_language_models(tower, tmp_path):
    folder = write_other_stage(tmp_path / "own", tower, 32 if tower == "dinov2" else None)
    write_llava(read_stage(folder), tmp_path / "llava", torch.float32)
    assert worst_difference(folder, tmp_path / "llava") <= TOLERANCE
    processor = AutoProcessor.from_pretrained(tmp_path / "llava")
    values = json.loads((tmp_path / "llava" / "config.json").read_text())
    assert processor.num_additional_image_tokens == (tower == "dinov2")
    assert not processor.image_processor.do_pad
    assert values["tie_word_embeddings"]
    assert values["text_config"]["rope_theta"] == 100_000.0
    assert values["text_config"]["rope_scaling"] == {"rope_type": "linear", "factor": 2.0}
    assert values["dtype"] == values["torch_dtype"] == "float32"


def test_a_language_model_that_was_trained_as_a_whole(finished_stage, tmp_path):
    stage = read_stage(finished_stage)
    model = load_trained(finished_stage).model
    weights = {f"projector.{k}": one for k, one in model.projector.state_dict().items()}
    for name, one in model.language_model.state_dict().items():
        weights[f"language_model.{name}"] = one * 1.01
    write_stage(
        tmp_path / "stage",
        weights,
        parts=stage.parts,
        lora=None,
        template=stage.template,
        preprocessing=stage.preprocessing,
        lineage={},
    )
    write_llava(read_stage(tmp_path / "stage"), tmp_path / "llava", torch.float32)
    assert worst_difference(tmp_path / "stage", tmp_path / "llava") <= TOLERANCE
    write_llava(stage, tmp_path / "before", torch.float32)
    with pytest.raises(AssertionError):
        assert worst_difference(tmp_path / "stage", tmp_path / "before") <= TOLERANCE


WRITTEN = WrittenTokenizer(image_id=32000, pad_id=32001, vocab_size=32002)


def test_the_papers_sizes_get_llava_hfs_numbers():
    values = llava_config(palo_7b(), WRITTEN, 2, "bfloat16")
    assert (values["image_token_index"], values["image_seq_length"]) == (32000, 576)
    assert values["text_config"]["vocab_size"] == 32064
    assert values["vision_feature_layer"] == -2
    assert values["vision_feature_select_strategy"] == "default"
    assert values["text_config"]["rope_scaling"] is None
    assert values["text_config"]["rope_theta"] == 10_000.0


def test_a_vocabulary_with_room_stays_as_it_is():
    values = llava_config(palo_7b(), replace(WRITTEN, vocab_size=31_990), 2, "bfloat16")
    assert values["text_config"]["vocab_size"] == 32000


def test_clip_with_images_of_another_size_is_refused():
    config = palo_7b()
    config.image_size = 224
    with pytest.raises(ConfigError, match="224 pixels, the tower has 336"):
        tower_layout(config)
    assert tower_layout(mini()).interpolates


def test_a_tower_of_another_kind_is_refused():
    config = mobile_1_7b()
    config.vision_config.model_type = "vivit"
    with pytest.raises(ConfigError, match="isn't one that can be written as Llava: vivit"):
        tower_layout(config)


@pytest.mark.parametrize("projector_type", ["ldp", "mlp3x_gelu"])
def test_another_projector_is_refused(projector_type, tmp_path):
    folder = write_finished_stage(tmp_path, projector_type=projector_type)
    with pytest.raises(ConfigError, match=f"{projector_type}. Export with --to palo"):
        write_llava(read_stage(folder), tmp_path / "out", torch.float32)
    assert not (tmp_path / "out").exists()


def test_a_model_that_saw_no_images_is_refused(finished_stage, tmp_path):
    stage = replace(read_stage(finished_stage), preprocessing=None)
    with pytest.raises(ConfigError, match="has seen no images"):
        write_llava(stage, tmp_path, torch.float32)


def test_a_tokenizer_with_more_words_than_the_model_is_refused(finished_stage, tmp_path):
    small = LlamaForCausalLM(LlamaConfig(vocab_size=300, hidden_size=48, **LAYERS))
    small.save_pretrained(tmp_path / "small")
    stage = read_stage(finished_stage)
    stage = replace(stage, parts=replace(stage.parts, language_model=tmp_path / "small"))
    with pytest.raises(MismatchError, match="more tokens than the language model"):
        write_llava(stage, tmp_path / "out", torch.float32)
