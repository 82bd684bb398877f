"""The weights of a finished model under canonical names, its adapter merged."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.fixtures.finished import write_finished_stage

from palo.checkpoint.finished import read_stage
from palo.checkpoint.load import attach_adapter, load_trained, unmerged_model
from palo.checkpoint.merged_weights import merged_weights
from palo.errors import MismatchError, StorageError
from palo.model.lora import LoraSettings

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


@pytest.mark.parametrize(
    "variant", [{"rslora": True}, {"dora": True}, {"rslora": True, "dora": True}]
)
def test_variants_are_merged_as_peft_merges_them_and_answer_as_unmerged(tmp_path, variant):
    lora = LoraSettings(rank=4, alpha=8, **variant)
    folder = write_finished_stage(tmp_path, lora=lora)
    stage = read_stage(folder)
    weights = merged_weights(stage)
    wanted = as_canonical(load_trained(folder).model)
    assert len(weights.adapter) == 14
    for name, tensor in weights.items():
        assert torch.allclose(tensor, wanted[name], atol=TOLERANCE, rtol=0), name
    unmerged = unmerged_model(stage, torch.float32)
    merged = unmerged_model(stage, torch.float32)
    merged.language_model.load_state_dict(
        {
            name.removeprefix("language_model."): tensor
            for name, tensor in weights.items()
            if name.startswith("language_model.")
        }
    )
    wrapped = attach_adapter(unmerged, folder / "adapter").eval()
    ids = torch.tensor([[1, 5, 9, 30, 31]])
    with torch.no_grad():
        beside = wrapped(input_ids=ids).logits
        # Worst difference measured in float32: 1.5e-5, of logits around 1.
        torch.testing.assert_close(merged(input_ids=ids).logits, beside, atol=5e-5, rtol=1e-5)
        without = unmerged_model(stage, torch.float32)(input_ids=ids).logits
    assert (beside - without).abs().max() > 0.01


@pytest.mark.parametrize("broken", ["missing", "unasked"])
def test_lengths_of_dora_are_all_there_or_refused(tmp_path, broken):
    folder = write_finished_stage(tmp_path, lora=LoraSettings(rank=4, alpha=8, dora=True))
    path = folder / "adapter" / "adapter_model.safetensors"
    weights = load_file(path)
    if broken == "missing":
        weights.pop(next(name for name in weights if name.endswith("lora_magnitude_vector")))
        save_file(weights, path)
    else:
        config = folder / "adapter" / "adapter_config.json"
        config.write_text(config.read_text().replace('"use_dora": true', '"use_dora": false'))
    with pytest.raises(MismatchError, match="not one for this language model"):
        merged_weights(read_stage(folder))


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
