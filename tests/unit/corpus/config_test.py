import dataclasses
from pathlib import Path

import pytest

from palo.config import check, from_dict, to_dict
from palo.corpus.config import CorpusConfig, SourceConfig, read_source_list
from palo.corpus.filter.mixture import MixtureSettings
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.errors import ConfigError, StorageError
from palo.images.preprocessing import ImageLimits
from palo.storage import path_of

SOURCE = SourceConfig(name="coco", path=Path("a.json"), images=Path("images"), language="en")
CONFIG = CorpusConfig(
    sources=(SOURCE,), output=Path("corpus"), tokenizer=Path("tokenizer"), tower=Path("tower")
)


def test_a_configuration_survives_json():
    check(CONFIG)
    assert from_dict(CorpusConfig, to_dict(CONFIG)) == CONFIG


def test_the_store_is_in_the_corpus_unless_it_is_shared():
    assert CONFIG.store_folder == Path("corpus/images")
    assert dataclasses.replace(CONFIG, image_store=Path("s")).store_folder == Path("s")


def test_all_faults_are_told_at_once():
    wrong = dataclasses.replace(
        CONFIG,
        sources=(SOURCE, SOURCE, SourceConfig(name="No Name", path=Path("b"), language="xx")),
        template="alpaca",
        max_bad_share=1.5,
        encoders=EncoderSettings(count=0, gpus=-1.0),
        image_store=Path("s"),
        image_stores=Path("stores"),
        image_limits=ImageLimits(max_pixels=0),
    )
    with pytest.raises(ConfigError) as caught:
        check(wrong)
    for clause in (
        "'coco' twice",
        "'No Name'",
        "'xx'",
        "'alpaca'",
        "1.5",
        "encoders.count",
        "twice",
    ):
        assert clause in str(caught.value)
    assert "encoders.gpus" in str(caught.value)
    assert "max_pixels" in str(caught.value)


def test_no_source_is_a_fault():
    with pytest.raises(ConfigError, match="at least one source"):
        check(dataclasses.replace(CONFIG, sources=()))


@pytest.fixture
def write(tmp_path):
    def run(text):
        path = tmp_path / "lists" / "sources.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return run


def test_sources_come_in_their_order_with_paths_from_the_list(write, tmp_path):
    path = write(
        """
        [mix665k]
        path = "mix.json"
        images = "images"
        language = "en"
        licence = "CC-BY-4.0"

        ["palo.ur"]
        path = "s3://bucket/ur.jsonl"
        images = "/shelf/images.zip"

        [chat]
        path = "../chat.parquet"
        """
    )
    first, second, third = read_source_list(path)
    folder = tmp_path / "lists"
    assert first == SourceConfig(
        name="mix665k",
        path=folder / "mix.json",
        images=folder / "images",
        language="en",
        licence="CC-BY-4.0",
    )
    assert second.path == path_of("s3://bucket/ur.jsonl")
    assert str(second.images) == "/shelf/images.zip"
    assert (third.name, third.images, third.language) == ("chat", None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a", "is not TOML"),
        ("", "no table for each source"),
        ('path = "a.json"', "no table for each source: path"),
        ("[a]", "source a: .* incomplete"),
        ('[a]\npath = "a.json"\nimage = "b"', "source a: .* no field of this name: image"),
        ("[a]\npath = 1", "source a: path has the wrong type"),
    ],
)
def test_what_is_wrong_is_one_line(write, text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        read_source_list(write(text))
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StorageError, match="can't read"):
        read_source_list(tmp_path / "sources.toml")


def test_a_limit_for_no_source_is_told(tmp_path):
    config = CorpusConfig(
        sources=(SourceConfig(name="a", path=tmp_path),),
        output=tmp_path,
        tokenizer=tmp_path,
        tower=tmp_path,
        mixture=MixtureSettings(per_source={"b": 3}),
    )
    with pytest.raises(ConfigError, match=r"mixture\.per_source has 'b', which is no source"):
        check(config)
