"""The cache of imports: once, whole, found again, and safe for two processes."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
import torch
from tests.fixtures import layouts as tiny
from tests.fixtures.damaged_layouts import change_tensors, first_shard

from palo import storage
from palo.checkpoint.importing import ImportOptions, copying, open_model
from palo.errors import ResourceError, StorageError

_OPEN = """
import sys
from pathlib import Path
from palo.checkpoint.importing import open_model
print(open_model(Path(sys.argv[1])))
print("torch" in sys.modules)
"""


def imported(imports):
    """Names of the imports in the cache."""
    return sorted(path.name for path in imports.iterdir() if path.name != "sources")


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", _OPEN, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_time_costs_a_look_at_the_files(imports, palo_folder):
    stage = open_model(palo_folder)
    second = start(palo_folder)
    output, said = second.communicate(timeout=120)
    assert output.splitlines() == [str(stage), "False"], said
    assert said == ""


def test_two_processes_at_once_make_one_import(imports, palo_folder):
    both = [start(palo_folder) for _ in range(2)]
    outputs = [one.communicate(timeout=240) for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    (name,) = imported(imports)
    assert {output.splitlines()[0] for output, _ in outputs} == {str(imports / name)}
    assert sum("projector mlp2x_gelu" in said for _, said in outputs) == 1


def test_another_process_is_waited_for(imports, palo_folder, monkeypatch):
    said = []
    stage = open_model(palo_folder)
    (own,) = (imports / "sources").iterdir()
    (own / "found.json").unlink()
    monkeypatch.setattr("palo.checkpoint.importing.cache._WAIT_S", 0.05)
    with (
        storage.alone_in(own),
        pytest.raises(ResourceError, match="another process"),
    ):
        open_model(palo_folder, ImportOptions(say=said.append))
    assert len(said) == 1
    assert "waiting for another process" in said[0]
    assert open_model(palo_folder) == stage


def test_a_copy_of_a_checkpoint_is_the_same_import(imports, palo_folder, tmp_path):
    copy = shutil.copytree(palo_folder, tmp_path / "copy")
    assert open_model(copy) == open_model(palo_folder)
    assert len(imported(imports)) == 1


def test_a_checkpoint_that_changes_is_imported_again(imports, palo_folder):
    before = open_model(palo_folder)
    name = "model.embed_tokens.weight"
    holder = next(
        path
        for path in palo_folder.glob("*-of-*.bin")
        if name in torch.load(path, weights_only=True)
    )
    weight = torch.load(holder, weights_only=True)[name]
    change_tensors(holder, **{name: weight + 1})
    assert open_model(palo_folder) != before
    assert len(imported(imports)) == 2


def test_a_tower_that_changes_is_imported_again(imports, tmp_path, tiny_palo):
    folder = tiny.write_llava(tmp_path / "llava", tiny_palo)
    tower = tiny.write_clip(tmp_path / "models" / "clip-vit-large-patch14-336", tiny_palo)
    before = open_model(folder)
    name = "vision_model.post_layernorm.bias"
    change_tensors(tower / "pytorch_model.bin", **{name: torch.ones(tiny.TOWER_WIDTH)})
    assert open_model(folder) != before


def test_an_import_that_was_deleted_is_made_again(imports, palo_folder):
    stage = open_model(palo_folder)
    shutil.rmtree(stage)
    assert open_model(palo_folder) == stage
    (stage / "lineage.json").unlink()  # as where somebody began to delete it
    assert open_model(palo_folder) == stage
    assert (stage / "lineage.json").is_file()


def test_what_a_killed_process_left_is_no_obstacle(imports, palo_folder):
    stage = open_model(palo_folder)
    shutil.rmtree(stage)
    (own,) = (imports / "sources").iterdir()
    (own / "partial" / "tower").mkdir(parents=True)
    (own / "partial" / "tower" / "model.safetensors").write_bytes(b"half")
    assert open_model(palo_folder) == stage
    assert not (own / "partial").exists()


def test_a_disk_that_fills_up_leaves_nothing(imports, palo_folder, monkeypatch):
    written = 0

    def write(handle, data):
        nonlocal written
        written += len(data)
        if written > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.write(handle, data)

    monkeypatch.setattr(copying, "_write_all", write)
    with pytest.raises(StorageError, match=r"No space left.*Free some disk space"):
        open_model(palo_folder)
    assert imported(imports) == []
    assert not list(imports.rglob("*.safetensors"))


def test_a_source_that_changes_meanwhile_is_noticed(imports, palo_folder, monkeypatch):
    write = copying._write_all

    def touching(handle, data):
        os.utime(first_shard(palo_folder))
        write(handle, data)

    monkeypatch.setattr(copying, "_write_all", touching)
    with pytest.raises(StorageError, match="has changed meanwhile"):
        open_model(palo_folder)
    assert imported(imports) == []


def test_an_output_of_ones_own_is_written_whole(imports, palo_folder, tmp_path):
    output = tmp_path / "mine"
    assert open_model(palo_folder, ImportOptions(output=output)) == output
    assert open_model(output) == output
    assert not imports.exists()
    with pytest.raises(StorageError, match="can't be the output"):
        open_model(palo_folder, ImportOptions(output=output))
    assert not list(tmp_path.glob(".*.partial"))
