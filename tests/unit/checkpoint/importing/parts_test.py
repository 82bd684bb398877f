"""Parts of a training: folders as they are, or imported."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from tests.fixtures import layouts as tiny
from tests.fixtures.damaged_layouts import change_json, change_tensors

from palo.checkpoint.importing import open_model, open_parts
from palo.checkpoint.parts import ModelParts
from palo.errors import MismatchError
from palo.model.assemble import assemble


def parts_of(folder, tower=None, language_model=None):
    return ModelParts(
        tower=tower or folder, language_model=language_model or folder, tokenizer=folder
    )


@pytest.fixture
def vicuna(imports, tmp_path, tiny_palo):
    return tiny.write_language_model(tmp_path / "vicuna", tiny_palo)


def test_pickled_parts_are_imported(imports, tmp_path, tiny_palo, vicuna):
    clip = tiny.write_clip(tmp_path / "clip", tiny_palo)
    parts = open_parts(parts_of(vicuna, tower=clip))
    assert parts.tokenizer == vicuna
    assert parts.tower.parent == parts.language_model.parent == imports
    model = assemble(parts.tower, parts.language_model)
    weights = model.language_model.state_dict()
    for name, wanted in tiny_palo.part("language_model.").items():
        assert torch.equal(weights[name], wanted.float()), name
    tower = model.vision_tower.model.state_dict()
    assert torch.equal(
        tower["embeddings.class_embedding"],
        tiny_palo.weights["vision_tower.embeddings.class_embedding"].float(),
    )
    assert (parts.tower / "preprocessor_config.json").is_file()
    assert (parts.language_model / "generation_config.json").is_file()
    assert open_parts(parts_of(vicuna, tower=clip)) == parts


def test_half_precision_stays_so(vicuna):
    folder = open_parts(parts_of(vicuna, tower=vicuna.parent / "missing")).language_model
    kinds = {one.dtype for path in folder.glob("*.safetensors") for one in load_file(path).values()}
    assert kinds == {torch.float16}


def test_safetensors_are_used_where_they_lie(imports, finished_stage):
    parts = ModelParts(
        tower=finished_stage.parent / "tower",
        language_model=finished_stage.parent / "language_model",
        tokenizer=finished_stage.parent / "tokenizer",
    )
    assert open_parts(parts) == parts
    assert not imports.exists()


def test_missing_folders_are_left_to_who_needs_them(imports, tmp_path):
    parts = parts_of(tmp_path / "missing")
    assert open_parts(parts) == parts


def test_parts_may_be_taken_of_a_complete_model(imports, tmp_path, tiny_palo):
    folder = tiny.write_palo(tmp_path / "palo", tiny_palo)
    stage = open_model(folder)
    parts = open_parts(parts_of(folder))
    assert (parts.tower, parts.language_model) == (stage / "tower", stage / "language_model")
    assert parts.tokenizer == folder


def test_parts_may_be_taken_of_our_own_model(imports, finished_stage):
    parts = open_parts(parts_of(finished_stage))
    folder = finished_stage.parent
    assert (parts.tower, parts.tokenizer) == (folder / "tower", folder / "tokenizer")


def test_a_language_model_without_its_adapter_is_refused(imports, adapted_stage):
    with pytest.raises(MismatchError, match="not complete without its adapter"):
        open_parts(parts_of(adapted_stage))


def test_a_language_model_is_no_tower(imports, vicuna):
    with pytest.raises(MismatchError, match=r"is no tower.*model_type llama"):
        open_parts(parts_of(vicuna))


def test_a_tower_without_all_its_tensors_is_refused(imports, tmp_path, tiny_palo, vicuna):
    clip = tiny.write_clip(tmp_path / "clip", tiny_palo)
    name = "vision_model.pre_layrnorm.weight"
    change_tensors(clip / "pytorch_model.bin", **{name: None})
    with pytest.raises(MismatchError, match=r"missing vision_tower\.pre_layrnorm\.weight"):
        open_parts(parts_of(vicuna, tower=clip))


def test_other_architectures_are_refused(imports, vicuna):
    change_json(vicuna / "config.json", model_type="mistral")
    with pytest.raises(MismatchError, match=r"no language model that can.*model_type mistral"):
        open_parts(parts_of(vicuna, tower=vicuna.parent / "missing"))


def test_a_base_of_a_complete_model_serves_an_adapter(imports, tmp_path, tiny_palo):
    from palo.checkpoint.importing import ImportOptions

    folder = tiny.write_palo(tmp_path / "palo", tiny_palo)
    tiny.write_lora(tmp_path / "lora", tiny_palo)
    stage = open_model(tmp_path / "lora", ImportOptions(base=folder))
    shutil.rmtree(folder)
    assert (stage / "adapter" / "adapter_model.safetensors").is_file()
