"""The weights of a finished model under canonical names, its adapter merged."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.fixtures.finished import write_finished_stage

from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import load_trained
from palo.checkpoint.merged_weights import merged_weights
from palo.errors import MismatchError, StorageError

# Worst difference measured in float32: 2e-7, from the order of additions in a product.
TOLERANCE = 1e-6


def as_canonical(model):
    weights = model.state_dict()
    return {name.replace("vision_tower.model.", "vision_tower."): weights[name] for name in weights}


@pytest.mark.parametrize("projector_type", ["mlp2x_gelu", "ldp"])
def test_they_are_the_weights_of_the_loaded_model(tmp_path, projector_type):
    folder = write_finished_stage(tmp_path, projector_type=projector_type)
    found = dict(merged_weights(read_stage(folder)).items())
    wanted = as_canonical(load_trained(folder).model)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_an_adapter_is_merged_as_peft_merges_it(adapted_stage):
    weights = merged_weights(read_stage(adapted_stage))
    wanted = as_canonical(load_trained(adapted_stage).model)
    assert weights.shapes == {name: tuple(one.shape) for name, one in wanted.items()}
    assert len(weights.adapter) == 14
    for name, tensor in weights.items():
        assert torch.allclose(tensor, wanted[name], atol=TOLERANCE, rtol=0), name


def test_an_adapter_for_another_language_model_is_refused(adapted_stage, tmp_path):
    folder = shutil.copytree(adapted_stage.parent, tmp_path / "copy") / "stage"
    path = folder / "adapter" / "adapter_model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("lora_B.weight"))
    save_file(weights | {name: torch.zeros(7, 4)}, path)
    with pytest.raises(MismatchError, match="not one for this language model: 2 of 28 tensors"):
        merged_weights(read_stage(folder))


def test_a_file_that_changes_meanwhile_is_noticed(finished_stage, tmp_path):
    folder = shutil.copytree(finished_stage.parent, tmp_path / "copy") / "stage"
    weights = merged_weights(read_stage(folder))
    path = folder / "projector.safetensors"
    save_file({name: torch.zeros(3) for name in load_file(path)}, path)
    with pytest.raises(StorageError, match="has changed meanwhile"):
        weights.read("projector.0.weight")
    path.unlink()
    with pytest.raises(StorageError, match=r"can.t read 0\.weight of .*projector"):
        weights.read("projector.0.weight")
