import dataclasses

import pytest

from palo.corpus.build_state import changes, make_room, read_begun, settings_of
from palo.corpus.config import CorpusConfig, SourceConfig
from palo.corpus.filter.mixture import MixtureSettings
from palo.corpus.sources import split_source
from palo.errors import StorageError
from palo.images.preprocessing import Preprocessing
from palo.images.store import prepare_store
from palo.images.store_spec import StoreSpec

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


def test_a_begun_build_keeps_what_it_did_and_its_settings(config):
    assert read_begun(config.output) is None
    make_room(config, SPEC, {"a": 1})
    prepare_store(config.output / "images", SPEC)
    for name in ("manifest.json", "records/s/0.parquet", "done/parse/s/0.json"):
        (config.output / name).parent.mkdir(parents=True, exist_ok=True)
        (config.output / name).write_text("old")
    make_room(config, SPEC, {"a": 2})
    names = {str(path.relative_to(config.output)) for path in config.output.rglob("*")}
    assert "manifest.json" not in names
    assert {"records/s/0.parquet", "done/parse/s/0.json", "images/manifest.json"} <= names
    assert read_begun(config.output) == {"a": 2}
    make_room(config, dataclasses.replace(SPEC, shape=(3, 5, 5)), {"a": 2})
    assert not (config.output / "images").exists()


def test_a_corpus_of_an_older_version_is_one(config):
    (config.output / "records").mkdir(parents=True)
    (config.output / "records" / "000-0.parquet").write_text("old")
    make_room(config, SPEC, {})
    assert read_begun(config.output) == {}


def test_a_shared_store_is_never_emptied(config, tmp_path):
    shared = dataclasses.replace(config, image_store=tmp_path / "corpus" / "images")
    make_room(shared, SPEC, {})
    prepare_store(shared.store_folder, SPEC)
    make_room(shared, dataclasses.replace(SPEC, shape=(3, 5, 5)), {})
    assert (shared.store_folder / "manifest.json").exists()


def test_settings_name_files_by_size_and_time(config):
    source = config.sources[0].path
    source.write_text('{"id": 1}\n')

    def settings(config=config):
        return settings_of(config, [split_source(source)], "tokenizer", SPEC)

    first = settings()
    assert changes(first, settings()) == []
    source.write_text('{"id": 1}\n{"id": 2}\n')
    assert changes(first, settings()) == [f"sources.s.files.{source}"]
    chosen = dataclasses.replace(config, mixture=MixtureSettings(total=1, per_language={"en": 3}))
    found = changes(settings(), settings(chosen))
    assert found == ["mixture.per_language.en", "mixture.total"]


@pytest.mark.parametrize("name", ["notes.txt", "samples/mine.parquet", "images/holiday.jpg"])
def test_a_folder_that_is_no_corpus_is_left_alone(config, name):
    path = config.output / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("precious")
    with pytest.raises(StorageError, match="no corpus"):
        make_room(config, SPEC, {})
    assert path.read_text() == "precious"
