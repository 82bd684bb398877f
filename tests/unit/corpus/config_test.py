import dataclasses
from pathlib import Path

import pytest

from palo.config import check, from_dict, to_dict
from palo.corpus.config import CorpusConfig, SourceConfig
from palo.errors import ConfigError
from palo.images.preprocessing import ImageLimits

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
        num_encoders=0,
        gpus_per_encoder=-1.0,
        image_limits=ImageLimits(max_pixels=0),
    )
    with pytest.raises(ConfigError) as caught:
        check(wrong)
    for clause in ("'coco' twice", "'No Name'", "'xx'", "'alpaca'", "1.5", "num_encoders"):
        assert clause in str(caught.value)
    assert "gpus_per_encoder" in str(caught.value)
    assert "max_pixels" in str(caught.value)


def test_no_source_is_a_fault():
    with pytest.raises(ConfigError, match="at least one source"):
        check(dataclasses.replace(CONFIG, sources=()))
