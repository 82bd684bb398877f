import pytest

from palo.config import check
from palo.corpus.config import CorpusConfig, SourceConfig
from palo.corpus.mixture import MixtureSettings
from palo.corpus.source_list import read_source_list
from palo.errors import ConfigError, StorageError
from palo.storage import path_of


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
