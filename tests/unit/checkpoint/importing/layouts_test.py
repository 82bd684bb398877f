"""Tables of names: both directions, and what they don't have."""

import pytest

from palo.checkpoint.importing import layouts
from palo.checkpoint.importing.layouts import COMPLETE_MODELS, closest_layout

CANONICAL = (
    "vision_tower.embeddings.patch_embedding.weight",
    "vision_tower.encoder.layers.11.self_attn.q_proj.bias",
    "language_model.model.embed_tokens.weight",
    "language_model.model.layers.30.mlp.gate_proj.weight",
    "language_model.model.norm.weight",
    "language_model.lm_head.weight",
)
MLP = ("projector.0.weight", "projector.2.bias")
LDP = ("projector.mlp.1.weight", "projector.mb_block.2.block.1.fc1.bias")


@pytest.mark.parametrize("layout", COMPLETE_MODELS, ids=lambda one: one.title)
def test_names_go_there_and_back(layout):
    own = CANONICAL + (LDP if layout is layouts.MOBILE_VLM else MLP)
    theirs = [layout.from_canonical(name) for name in own]
    assert len(set(theirs)) == len(own)
    assert tuple(layout.to_canonical(name) for name in theirs) == own


@pytest.mark.parametrize("layout", COMPLETE_MODELS, ids=lambda one: one.title)
def test_a_layout_is_recognised_by_its_names(layout):
    own = CANONICAL + (LDP if layout is layouts.MOBILE_VLM else MLP)
    assert closest_layout([str(layout.from_canonical(name)) for name in own]) is layout


def test_names_are_those_of_released_checkpoints():
    names = {
        "model.vision_tower.vision_tower.vision_model.post_layernorm.weight",
        "model.mm_projector.0.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "lm_head.weight",
    }
    assert not layouts.LLAVA.unknown(names)
    assert layouts.HF_CLASSIC.from_canonical("projector.2.bias") == (
        "multi_modal_projector.linear_2.bias"
    )
    assert layouts.HF_CLASSIC.from_canonical("language_model.lm_head.weight") == (
        "language_model.lm_head.weight"
    )
    assert layouts.ADAPTER.from_canonical(
        "language_model.model.layers.3.mlp.up_proj.lora_A.weight"
    ) == ("base_model.model.model.layers.3.mlp.up_proj.lora_A.weight")


def test_other_names_have_no_canonical_one():
    assert layouts.LLAVA.unknown(["model.image_newline", "model.layers.a.x", "lm_head_2"]) == [
        "model.image_newline",
        "model.layers.a.x",
        "lm_head_2",
    ]
    assert layouts.HF_CLASSIC.from_canonical("projector.mlp.1.weight") is None
