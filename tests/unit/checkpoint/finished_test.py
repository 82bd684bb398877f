"""Folders of finished stages: other versions, other places, and who may read them."""

import os
import shutil
import stat

import pytest
from tests.fixtures.finished import write_finished_stage

from palo import storage
from palo.checkpoint.finished import FORMAT_VERSION, describe_stage, read_stage
from palo.checkpoint.load import load_trained
from palo.checkpoint.part_paths import part_path, part_text
from palo.checkpoint.parts import weights_fingerprint
from palo.errors import DataError, MismatchError
from palo.recipes.nano import BASE


@pytest.mark.parametrize("version", [1, FORMAT_VERSION + 1, None])
def test_another_format_is_refused(tmp_path, version) -> None:
    values = {"parts": {"language": "models/language"}}
    if version is not None:
        values["version"] = version
    storage.write_json(tmp_path / "model.json", values)
    with pytest.raises(MismatchError, match=rf"reads format {FORMAT_VERSION}.*Train it again"):
        describe_stage(tmp_path)


@pytest.fixture
def checkout(tmp_path, finished_stage):
    """A folder with parts below models/ and a run below runs/, as in a checkout."""
    folder = tmp_path / "checkout"
    for name in ("tower", "language_model", "tokenizer"):
        shutil.copytree(finished_stage.parent / name, folder / "models" / name)
    stage = folder / "runs" / "mine" / "finetune"
    shutil.copytree(finished_stage, stage)
    values = storage.read_json(stage / "model.json")
    values["parts"] |= {
        name: part_text(folder / "models" / name, stage)
        for name in ("tower", "language_model", "tokenizer")
    }
    storage.write_json(stage / "model.json", values)
    return folder


def test_a_stage_names_no_place_of_the_machine(finished_stage):
    text = (finished_stage / "model.json").read_text(encoding="utf-8")
    assert str(finished_stage.parent) not in text
    assert part_text(BASE / "tower", finished_stage) == "palo:scenes/nano_base/tower"
    assert part_path("palo:scenes/nano_base/tower", finished_stage) == BASE / "tower"


def test_a_checkout_that_was_moved_as_a_whole_stays_whole(checkout, tmp_path):
    moved = checkout.rename(tmp_path / "moved")
    trained = load_trained(moved / "runs" / "mine" / "finetune")
    assert trained.stage.parts.tower == moved / "models" / "tower"


def test_a_run_that_was_moved_alone_finds_its_parts_below_the_working_folder(
    checkout, tmp_path, monkeypatch
):
    stage = (checkout / "runs" / "mine" / "finetune").rename(tmp_path / "given-to-a-friend")
    monkeypatch.chdir(checkout)
    assert read_stage(stage).parts.tower == checkout / "models" / "tower"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DataError, match=r"parts of the model in .*friend are missing: .*model\.json"
    ):
        read_stage(stage)


def test_other_weights_in_the_parts_place_are_refused(checkout, tmp_path, monkeypatch):
    stage = (checkout / "runs" / "mine" / "finetune").rename(tmp_path / "moved")
    other = write_finished_stage(tmp_path / "other", template="plain").parent
    config = other / "tower" / "config.json"
    config.write_text(config.read_text().replace("{", '{"other": 1,', 1))
    shutil.rmtree(checkout / "models" / "tower")
    shutil.copytree(other / "tower", checkout / "models" / "tower")
    monkeypatch.chdir(checkout)
    with pytest.raises(MismatchError, match="trained on another tower"):
        read_stage(stage)


def test_format_2_with_absolute_paths_is_still_read(checkout):
    stage = checkout / "runs" / "mine" / "finetune"
    values = storage.read_json(stage / "model.json") | {"version": 2}
    for name in ("tower", "language_model", "tokenizer"):
        values["parts"][name] = str(checkout / "models" / name)
    storage.write_json(stage / "model.json", values)
    assert read_stage(stage).parts.tower == checkout / "models" / "tower"


def test_a_folder_that_is_missing_is_not_called_unconverted(tmp_path):
    with pytest.raises(DataError, match=r"folder of pretrained weights is missing: .*nope"):
        weights_fingerprint(tmp_path / "nope")


def test_every_file_of_a_stage_follows_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        stage = write_finished_stage(tmp_path / "mine")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in stage.rglob("*") if path.is_file()}
    assert modes == {0o644}
