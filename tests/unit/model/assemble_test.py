import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, CLIPConfig, CLIPModel, LlamaForCausalLM

from palo.errors import MismatchError, StorageError
from palo.model.assemble import assemble


@pytest.fixture
def folders(tmp_path, tiny_config) -> tuple[Path, Path]:
    torch.manual_seed(0)
    config = tiny_config(tie_word_embeddings=True)
    tower, language = tmp_path / "tower", tmp_path / "language"
    AutoModel.from_config(config.vision_config).save_pretrained(tower)
    LlamaForCausalLM(config.text_config).save_pretrained(language)
    return tower, language


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Adds, replaces or (None) removes tensors of a folder's weights."""
    path = folder / "model.safetensors"
    weights = load_file(path) | tensors
    save_file({k: v for k, v in weights.items() if v is not None}, path, metadata={"format": "pt"})


def test_the_parts_keep_their_weights(folders) -> None:
    model = assemble(*folders)
    tower = AutoModel.from_pretrained(folders[0])
    language = LlamaForCausalLM.from_pretrained(folders[1])
    for mine, theirs in ((model.vision_tower.model, tower), (model.language_model, language)):
        expected = theirs.state_dict()
        got = mine.state_dict()
        assert got.keys() == expected.keys()
        assert all(torch.equal(got[key], expected[key]) for key in expected)
    assert not any(p.is_meta for p in (*model.parameters(), *model.buffers()))
    assert not any(p.requires_grad for p in model.vision_tower.parameters())
    assert not model.training
    assert model.config.text_config is model.language_model.config
    assert model.config.vision_config is model.vision_tower.model.config


@pytest.mark.parametrize("projector", ["mlp2x_gelu", "ldp"])
def test_the_whole_works_and_goes_through_a_folder(tmp_path, folders, projector) -> None:
    model = assemble(*folders, projector)
    images = torch.randn(1, 3, 32, 32)
    ids = torch.tensor([[3, *[-200] * model.config.tokens_per_image, 4, 5]])
    logits = model(ids, images).logits
    model.save_pretrained(tmp_path / "whole")
    read = type(model).from_pretrained(tmp_path / "whole")
    assert torch.equal(read(ids, images).logits, logits)
    assert read.language_model.config._attn_implementation == "palo_segments"
    generated = model.generate(ids, pixels=images, max_new_tokens=3, do_sample=False)
    assert torch.equal(
        read.generate(ids, pixels=images, max_new_tokens=3, do_sample=False), generated
    )


def test_the_projector_follows_its_seed_and_leaves_the_others_alone(folders) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, again, other = (assemble(*folders, seed=seed).projector[0].weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_every_part_gets_the_type(folders) -> None:
    model = assemble(*folders, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.config.dtype == torch.bfloat16


def test_another_image_size_needs_no_other_weights(folders) -> None:
    model = assemble(*folders, image_size=48)
    assert model.vision_tower(torch.randn(1, 3, 48, 48)).shape == (1, 36, 32)


NORM = "model.layers.1.input_layernorm.weight"


@pytest.mark.parametrize(
    ("change_of", "fault"),
    [
        ({NORM: None}, f"missing {NORM}"),
        ({"model.layers.7.oops": torch.ones(2)}, "unexpected model.layers.7.oops"),
        ({NORM: torch.ones(5)}, "wrong shape"),
    ],
)
def test_other_weights_than_the_configuration_needs_are_an_error(folders, change_of, fault) -> None:
    change(folders[1], **change_of)
    with pytest.raises(MismatchError, match=fault):
        assemble(*folders)


def test_the_tower_is_checked_too(folders) -> None:
    change(folders[0], **{"pre_layrnorm.weight": None})
    with pytest.raises(MismatchError, match=r"missing .*pre_layrnorm\.weight"):
        assemble(*folders)


def test_tables_that_old_checkpoints_keep_are_no_fault(folders) -> None:
    change(folders[1], **{"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(6)})
    assemble(*folders)


def test_a_whole_clip_gives_its_vision_half(tmp_path, folders, tiny_config) -> None:
    vision = tiny_config().vision_config.to_dict()
    text = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "vocab_size": 20,
        "eos_token_id": 2,
    }
    clip = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=32))
    clip.save_pretrained(tmp_path / "clip")
    model = assemble(tmp_path / "clip", folders[1])
    mine = model.vision_tower.model.state_dict()
    theirs = clip.vision_model.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)


def test_a_folder_without_weights_is_a_storage_error(folders) -> None:
    (folders[1] / "model.safetensors").unlink()
    with pytest.raises(StorageError, match="can't read weights from"):
        assemble(*folders)


def test_weights_that_are_cut_off_are_a_storage_error(folders) -> None:
    path = folders[1] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StorageError, match="can't read weights from"):
        assemble(*folders)


def test_pickled_weights_are_refused(folders) -> None:
    path = folders[1] / "model.safetensors"
    torch.save(load_file(path), folders[1] / "pytorch_model.bin")
    path.unlink()
    with pytest.raises(StorageError, match="can't read weights from"):
        assemble(*folders)


@pytest.mark.data
def test_real_dinov2_is_read_as_it_is(data_folder, folders) -> None:
    folder = data_folder / "vision" / "dinov2-small-f16"
    model = assemble(folder, folders[1], image_size=336)
    assert json.loads((folder / "config.json").read_text())["image_size"] == 518
    assert model.vision_tower(torch.randn(1, 3, 336, 336)).shape == (1, 576, 384)


def test_loading_says_nothing_of_its_own(folders, capfd) -> None:
    from transformers.utils import logging

    logging.enable_progress_bar()
    capfd.readouterr()
    assemble(*folders)
    assert "Loading weights" not in capfd.readouterr().err
    assert logging.is_progress_bar_enabled()
