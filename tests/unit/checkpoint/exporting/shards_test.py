"""Safetensors that are written tensor by tensor are those of the library."""

import json

import pytest
import torch
from safetensors.torch import load_file

from palo.checkpoint.exporting.shards import TensorSource, num_bytes, write_shards
from palo.errors import MismatchError, StorageError


def source(tensor):
    return TensorSource(shape=tuple(tensor.shape), read=lambda: tensor)


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (3, 5), "b": (4,), "c": (2, 3, 2), "d": (), "e": (0, 4)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_one_file_holds_what_was_given(tensors, dtype, tmp_path):
    sources = {name: source(tensor) for name, tensor in tensors.items()}
    (path,) = write_shards(tmp_path, sources, dtype)
    found = load_file(path)
    assert path.name == "model.safetensors"
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert all(torch.equal(found[name], tensors[name].to(dtype)) for name in tensors)
    assert found.keys() == tensors.keys()


def test_shards_are_no_larger_than_asked_and_the_index_finds_all(tensors, tmp_path):
    sources = {name: source(tensor) for name, tensor in tensors.items()}
    paths = write_shards(tmp_path, sources, torch.float32, max_shard_bytes=64)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert [path.name for path in paths] == [
        f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)
    ]
    assert index["metadata"]["total_size"] == num_bytes(sources, torch.float32) == 128
    for name, tensor in tensors.items():
        assert torch.equal(load_file(tmp_path / index["weight_map"][name])[name], tensor)


def test_a_tensor_is_read_when_its_turn_comes(tmp_path):
    alive = []

    def read():
        alive.append(1)
        return torch.zeros(8)

    sources = {str(n): TensorSource(shape=(8,), read=read) for n in range(4)}
    seen = []
    write_shards(
        tmp_path, sources, torch.float32, wrote=lambda size: seen.append((len(alive), size))
    )
    assert seen == [(1, 32), (2, 32), (3, 32), (4, 32)]


def test_values_beyond_a_type_are_refused_and_nothing_is_left(tmp_path):
    sources = {"w": source(torch.tensor([1.0, 1e6]))}
    with pytest.raises(MismatchError, match="w can't be written as float16: values up to 1e"):
        write_shards(tmp_path, sources, torch.float16)
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_of_another_shape_is_refused(tmp_path):
    sources = {"w": TensorSource(shape=(3,), read=lambda: torch.zeros(4))}
    with pytest.raises(StorageError, match="w has changed meanwhile"):
        write_shards(tmp_path, sources, torch.float32)
    assert list(tmp_path.iterdir()) == []
