import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from palo.errors import MismatchError, StorageError
from palo.inference.adapters import load_adapter


@pytest.fixture
def folder(adapters, tmp_path):
    folders, _ = adapters
    return shutil.copytree(folders["lora0"], tmp_path / "own")


def changed(folder, **values):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_matrices_that_read_the_same_become_one_pair(adapters, tiny_model):
    _, loaded = adapters
    pair = loaded["lora0"].layers[0]["qkv"]
    assert pair.down.shape == (48, 3 * 4)
    assert pair.up.shape == (3 * 4, 48 + 24 + 24)
    assert loaded["lora0"].projector is None
    assert loaded["lora1"].projector is not None


def test_an_adapter_of_some_weights_only(folder, tiny_model):
    path = folder / "adapter_model.safetensors"
    weights = {name: t for name, t in load_file(path).items() if ".v_proj." in name}
    save_file(weights, path)
    (layer, _) = load_adapter(folder, tiny_model()).layers
    assert set(layer) == {"qkv"}
    added = layer["qkv"](torch.randn(3, 48))
    assert not added[:, :72].any()
    assert added[:, 72:].any()


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern"),
    ],
)
def test_more_than_plain_lora_is_refused(folder, tiny_model, values, seen):
    changed(folder, **values)
    with pytest.raises(MismatchError, match=f"more than plain LoRA: {seen}"):
        load_adapter(folder, tiny_model())


def test_the_scale_follows_the_configuration(folder, tiny_model):
    plain = load_adapter(folder, tiny_model()).layers[0]["out"].up
    changed(folder, lora_alpha=16)
    assert torch.equal(load_adapter(folder, tiny_model()).layers[0]["out"].up, 2 * plain)
    changed(folder, use_rslora=True)
    assert torch.allclose(load_adapter(folder, tiny_model()).layers[0]["out"].up, 4 * plain)


def test_weights_that_are_not_adapted_here_are_refused(folder, tiny_model):
    path = folder / "adapter_model.safetensors"
    save_file({**load_file(path), "base_model.model.lm_head.lora_A.weight": torch.ones(2)}, path)
    with pytest.raises(MismatchError, match=r"doesn't adapt: base_model\.model\.lm_head"):
        load_adapter(folder, tiny_model())


def test_an_adapter_of_another_model_is_refused(folder, tiny_model):
    with pytest.raises(MismatchError, match="doesn't fit layer 0"):
        load_adapter(folder, tiny_model(intermediate_size=64))


def test_a_damaged_file_is_told(folder, tiny_model):
    (folder / "adapter_model.safetensors").write_bytes(b"no")
    with pytest.raises(StorageError, match="can't read weights from"):
        load_adapter(folder, tiny_model())
