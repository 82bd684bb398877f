"""Checkpoints on S3 become the same imports as those on a disk."""

import pytest
from tests.fixtures import layouts as tiny

from palo import storage
from palo.checkpoint.importing import open_model, open_parts, open_projector
from palo.checkpoint.importing.layouts import HF_FLAT
from palo.checkpoint.importing.search import find_part
from palo.checkpoint.parts import ModelParts
from palo.errors import StorageError
from palo.text.tokenizer import load_tokenizer


def upload(folder, place):
    for path in sorted(folder.iterdir()):
        storage.write_bytes(place / path.name, path.read_bytes())
    return place


@pytest.mark.parametrize("layout", ["pickled", "safetensors"])
def test_a_model_is_read_shard_by_shard(imports, tmp_path, tiny_palo, bucket, layout):
    folder = tmp_path / "model"
    if layout == "pickled":
        tiny.write_palo(folder, tiny_palo)
    else:
        tiny.write_hugging_face(folder, tiny_palo, HF_FLAT)
    place = upload(folder, bucket / "some" / "model")
    stage = open_model(place)
    assert stage == open_model(folder)
    assert stage == open_model(place)


def test_parts_and_projectors_too(imports, tmp_path, tiny_palo, bucket):
    local = tiny.write_language_model(tmp_path / "vicuna", tiny_palo)
    place = upload(local, bucket / "vicuna")
    clip = upload(tiny.write_clip(tmp_path / "clip", tiny_palo, pickled=False), bucket / "clip")
    parts = open_parts(ModelParts(tower=clip, language_model=place, tokenizer=place))
    at_home = open_parts(ModelParts(tower=tmp_path / "x", language_model=local, tokenizer=local))
    assert parts.language_model == at_home.language_model
    assert (parts.tower, parts.tokenizer) == (clip, place)  # each machine copies what it needs
    assert load_tokenizer(place).fingerprint == load_tokenizer(local).fingerprint
    path = tiny.write_projector_file(tmp_path / "mm_projector.bin", tiny_palo)
    storage.write_bytes(bucket / "p.bin", path.read_bytes())
    assert open_projector(bucket / "p.bin") == open_projector(path)


def test_a_shard_that_is_missing_there(imports, tmp_path, tiny_palo, bucket):
    place = upload(tiny.write_palo(tmp_path / "model", tiny_palo), bucket / "model")
    storage.remove(place / "pytorch_model-00002-of-00002.bin")
    with pytest.raises(StorageError, match=r"missing: pytorch_model-00002"):
        open_model(place)


def test_our_own_stage_is_copied_to_a_disk_and_again_only_where_it_changed(
    imports, bucket, finished_stage, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for path in finished_stage.rglob("*.*"):
        if path.is_file():
            storage.copy_file(path, bucket / "stage" / path.relative_to(finished_stage))
    copy = open_model(bucket / "stage")
    assert copy.is_relative_to(tmp_path / "cache")
    weights, lineage = copy / "projector.safetensors", copy / "lineage.json"
    assert weights.read_bytes() == (finished_stage / weights.name).read_bytes()
    before = weights.stat().st_ino, lineage.stat().st_ino
    storage.write_text(bucket / "stage" / "lineage.json", "{}")
    assert open_model(bucket / "stage") == copy
    assert weights.stat().st_ino == before[0]
    assert lineage.read_text() == "{}"


def test_with_a_store_on_s3_an_import_goes_there_once(
    imports, tmp_path, tiny_palo, bucket, monkeypatch
):
    monkeypatch.setenv("PALO_STORE", str(bucket))
    local = tiny.write_language_model(tmp_path / "vicuna", tiny_palo)
    clip = tiny.write_clip(tmp_path / "clip", tiny_palo, pickled=False)
    parts = ModelParts(tower=clip, language_model=local, tokenizer=local)
    opened = open_parts(parts)
    assert opened.language_model.parent == bucket / "models" / "imports"
    assert (opened.tower, opened.tokenizer) == (clip, local)
    own = imports / opened.language_model.name
    sent = storage.tree_sizes(opened.language_model)
    assert sent == storage.tree_sizes(own)
    storage.remove(opened.language_model / "config.json")  # what is there isn't sent again
    assert open_parts(parts) == opened
    assert not (opened.language_model / "config.json").is_file()


def test_with_a_store_on_a_disk_imports_are_made_there(tmp_path, tiny_palo, monkeypatch):
    monkeypatch.delenv("PALO_IMPORTS", raising=False)
    monkeypatch.setenv("PALO_STORE", str(tmp_path / "store"))
    local = tiny.write_language_model(tmp_path / "vicuna", tiny_palo)
    clip = tiny.write_clip(tmp_path / "clip", tiny_palo, pickled=False)
    opened = open_parts(ModelParts(tower=clip, language_model=local, tokenizer=local))
    assert opened.language_model.parent == tmp_path / "store" / "models" / "imports"


def test_a_part_that_a_checkpoint_names_is_found_in_the_store(
    tmp_path, tiny_palo, bucket, monkeypatch
):
    monkeypatch.setenv("PALO_STORE", str(bucket / "palo"))
    clip = tiny.write_clip(tmp_path / "clip", tiny_palo, pickled=False)
    upload(clip, bucket / "palo" / "models" / "clip-vit")
    found = find_part("openai/clip-vit", what="tower", flag="--tower", beside=tmp_path / "x")
    assert found == bucket / "palo" / "models" / "clip-vit"
