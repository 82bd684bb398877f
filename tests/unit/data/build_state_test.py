import dataclasses

import pytest

from palo.data.build_state import changes, make_room
from palo.data.corpus_config import CorpusConfig, SourceConfig
from palo.data.image_store import prepare_store
from palo.data.preprocessing import Preprocessing
from palo.data.store_spec import StoreSpec
from palo.errors import StorageError

SPEC = StoreSpec(kind="pixels", shape=(3, 4, 4), dtype="uint8", preprocessing=Preprocessing())


@pytest.fixture
def config(tmp_path):
    return CorpusConfig(
        sources=(SourceConfig(name="s", path=tmp_path / "s.json"),),
        output=tmp_path / "corpus",
        tokenizer=tmp_path,
        tower=tmp_path,
    )


def test_changes_are_named_by_their_path():
    old = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "gone": 1}
    new = {"a": 1, "b": {"c": 5, "d": {"e": 4}}, "new": 1}
    assert changes(old, new) == ["b.c", "b.d.e", "gone", "new"]
    assert changes(old, old) == []


def test_an_old_corpus_makes_room_but_keeps_fitting_images(config):
    make_room(config, SPEC)
    prepare_store(config.output / "images", SPEC)
    for name in ("manifest.json", "records/a.parquet", "records/.a.parquet.12.partial"):
        (config.output / name).write_text("old")
    for name in ("samples", "quarantine"):
        (config.output / name).mkdir()
    make_room(config, SPEC)
    assert sorted(path.name for path in config.output.iterdir()) == ["images", "records"]
    assert not list((config.output / "records").iterdir())
    make_room(config, dataclasses.replace(SPEC, shape=(3, 5, 5)))
    assert sorted(path.name for path in config.output.iterdir()) == ["records"]


def test_a_shared_store_is_never_emptied(config, tmp_path):
    shared = dataclasses.replace(config, image_store=tmp_path / "corpus" / "images")
    make_room(shared, SPEC)
    prepare_store(shared.store_folder, SPEC)
    make_room(shared, dataclasses.replace(SPEC, shape=(3, 5, 5)))
    assert (shared.store_folder / "manifest.json").exists()


@pytest.mark.parametrize("name", ["notes.txt", "samples/mine.parquet", "images/holiday.jpg"])
def test_a_folder_that_is_no_corpus_is_left_alone(config, name):
    path = config.output / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("precious")
    with pytest.raises(StorageError, match="no corpus"):
        make_room(config, SPEC)
    assert path.read_text() == "precious"
