"""Files that are damaged, lie or run code: one clear error, and nothing is left."""

import json
import os
import shutil
import struct

import pytest
import torch
from tests.fixtures import layouts as tiny
from tests.fixtures.damaged_layouts import change_json, change_tensors, first_shard, last_shard

from palo.checkpoint.importing import open_model, open_projector
from palo.errors import DataError, MismatchError, StorageError

pytestmark = pytest.mark.usefixtures("nothing_is_left")


class Bomb:
    """Runs a command when it is unpickled without care."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.system, (f"touch {self._path}",)


@pytest.mark.parametrize("layout", ["palo_folder", "llava_folder"])
def test_a_missing_shard(request, layout):
    folder = request.getfixturevalue(layout)
    last_shard(folder).unlink()
    with pytest.raises(StorageError, match=r"missing: .*00002-of-00002.*Download the whole"):
        open_model(folder)


def test_a_missing_shard_without_an_index(palo_folder):
    (palo_folder / "pytorch_model.bin.index.json").unlink()
    first_shard(palo_folder).unlink()
    with pytest.raises(StorageError, match=r"missing: .*00001-of-00002"):
        open_model(palo_folder)


@pytest.mark.parametrize("layout", ["palo_folder", "llava_folder"])
@pytest.mark.parametrize("kept", [0, 5, 1000, -1])
def test_a_shard_that_is_cut_off(request, layout, kept):
    folder = request.getfixturevalue(layout)
    path = last_shard(folder)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(StorageError, match=rf"{path.name}"):
        open_model(folder)


def test_an_index_that_names_a_file_that_is_not_there(palo_folder):
    path = palo_folder / "pytorch_model.bin.index.json"
    weights = json.loads(path.read_text())["weight_map"]
    weights["lm_head.weight"] = "pytorch_model-00003-of-00003.bin"
    change_json(path, weight_map=weights)
    with pytest.raises(StorageError, match=r"missing: pytorch_model-00003-of-00003\.bin"):
        open_model(palo_folder)


def test_an_index_that_names_the_wrong_file(palo_folder):
    path = palo_folder / "pytorch_model.bin.index.json"
    weights = json.loads(path.read_text())["weight_map"]
    weights["lm_head.weight"] = first_shard(palo_folder).name
    change_json(path, weight_map=weights)
    with pytest.raises(StorageError, match=r"doesn't say what.*lm_head\.weight in pytorch_model"):
        open_model(palo_folder)


def test_an_index_that_leaves_a_tensor_out(palo_folder):
    path = palo_folder / "pytorch_model.bin.index.json"
    weights = json.loads(path.read_text())["weight_map"]
    del weights["lm_head.weight"]
    change_json(path, weight_map=weights)
    with pytest.raises(StorageError, match=r"it doesn't name lm_head\.weight"):
        open_model(palo_folder)


@pytest.mark.parametrize("name", ["../other.bin", "/etc/passwd", "x.py", 7, "a/b.bin"])
def test_an_index_that_leads_elsewhere(palo_folder, name):
    change_json(palo_folder / "pytorch_model.bin.index.json", weight_map={"lm_head.weight": name})
    with pytest.raises(StorageError, match="no index of weights"):
        open_model(palo_folder)


def test_a_tensor_in_two_shards(palo_folder, tiny_palo):
    change_tensors(first_shard(palo_folder), **{"lm_head.weight": torch.zeros(3)})
    with pytest.raises(StorageError, match=r"lm_head\.weight are in"):
        open_model(palo_folder)


@pytest.mark.parametrize("kind", ["palo", "projector", "adapter"])
def test_a_pickle_with_code_is_not_run(imports, tmp_path, tiny_palo, palo_folder, kind):
    bomb = {"model.mm_projector.0.weight": Bomb(tmp_path / "ran")}
    if kind == "palo":
        path, opened = last_shard(palo_folder), palo_folder
        torch.save(bomb, path)
    elif kind == "projector":
        opened = path = tmp_path / "mm_projector.bin"
        torch.save(bomb, path)
    else:
        opened = tmp_path / "lora"
        tiny.write_lora(opened, tiny_palo)
        path = opened / "adapter_model.bin"
        torch.save(bomb, path)
    with pytest.raises(StorageError, match=r"such as code.*(posix|os)\.system.*not read"):
        (open_projector if kind == "projector" else open_model)(opened)
    assert not (tmp_path / "ran").exists()


def test_an_old_pickle_is_not_read(palo_folder, tmp_path):
    torch.save(
        {"a": Bomb(tmp_path / "ran")}, last_shard(palo_folder), _use_new_zipfile_serialization=False
    )
    with pytest.raises(StorageError, match=r"older than torch 1\.6"):
        open_model(palo_folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [[1], "text", torch.zeros(2).to_sparse(), {"a": torch.zeros(2)}])
def test_a_pickle_of_something_else(palo_folder, value):
    change_tensors(last_shard(palo_folder), **{"lm_head.weight": value})
    with pytest.raises(DataError, match=r"something else than tensors by name: lm_head\.weight"):
        open_model(palo_folder)


def test_a_compressed_pickle(palo_folder):
    import zipfile

    path = last_shard(palo_folder)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(StorageError, match="is compressed"):
        open_model(palo_folder)


def _header(values, data=b""):
    text = json.dumps(values).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (struct.pack("<Q", 1 << 30) + b"{}", "a header of 1,073,741,824 bytes"),
        (_header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}}, bytes(4)), "a: "),
        (_header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}), "a: "),
        (
            _header({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
            "a: 'X9'",
        ),
        (
            _header({"a": {"dtype": "F32", "shape": [9**9], "data_offsets": [0, 4]}}, bytes(4)),
            "a: ",
        ),
    ],
)
def test_a_header_that_lies(llava_folder, data, seen):
    last_shard(llava_folder).write_bytes(data)
    with pytest.raises(StorageError, match=f"can't read weights from .*{seen}"):
        open_model(llava_folder)


def test_a_header_of_a_gigabyte_takes_no_memory(llava_folder):
    with last_shard(llava_folder).open("wb") as file:
        file.write(struct.pack("<Q", 1 << 30))
        file.truncate(2 << 30)
    with pytest.raises(StorageError, match="a header of 1,073,741,824 bytes"):
        open_model(llava_folder)


@pytest.mark.parametrize("name", ["pytorch_model-00001-of-00002.bin", "config.json"])
def test_a_link_out_of_the_folder(palo_folder, tmp_path, name):
    shutil.move(palo_folder / name, tmp_path / name)
    (palo_folder / name).symlink_to(tmp_path / name)
    with pytest.raises(StorageError, match=f"not in its folder: .*{name}"):
        open_model(palo_folder)


def test_a_disk_that_is_too_small(palo_folder, monkeypatch):
    usage = shutil.disk_usage(palo_folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(StorageError, match=r"too little space.*GiB needed.*PALO_IMPORTS"):
        open_model(palo_folder)


def test_a_file_that_holds_more_than_a_projector(imports, tmp_path):
    path = tmp_path / "mm_projector.bin"
    torch.save({"model.mm_projector.0.weight": torch.zeros(2, 2), "x": torch.zeros(2)}, path)
    with pytest.raises(MismatchError, match="more than a projector: 1 of 2 tensors: x"):
        open_projector(path)


def test_an_empty_folder(imports, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(DataError, match="no weights here"):
        open_model(tmp_path / "empty")
