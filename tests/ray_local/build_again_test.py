"""Building a corpus again: nothing twice, and only what changed."""

import dataclasses

import pytest
from PIL import Image
from tests.fixtures.corpora import good_rows

from palo.corpus.build import build_corpus
from palo.data.corpus_reader import open_corpus
from palo.errors import MismatchError, PaloError
from palo.text.encoding import EncodingLimits

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def test_a_second_run_does_nothing_and_says_so(make_config):
    config = make_config(good_rows())
    first = build_corpus(config)
    before = (config.output / "manifest.json").stat().st_mtime_ns
    said = []
    again = build_corpus(config, said.append)
    assert again.reused
    assert again.manifest == first.manifest
    assert said == [f"{config.output} is up to date: 30 samples"]
    assert (config.output / "manifest.json").stat().st_mtime_ns == before


def test_changes_are_noticed_and_named(make_config, images):
    config = make_config(good_rows(), image_store=None, store="pixels")
    first = build_corpus(config).manifest.fingerprint
    said = []
    longer = dataclasses.replace(config, limits=EncodingLimits(max_text_tokens=300))
    assert build_corpus(longer, said.append).num_images_encoded == 0
    assert "where these changes matter: limits.max_text_tokens" in said[0]
    said.clear()
    cropped = dataclasses.replace(longer, aspect="crop")
    report = build_corpus(cropped, said.append)
    assert "image_store.preprocessing.aspect" in said[0]
    assert report.num_images_encoded == 8
    assert report.manifest.fingerprint != first
    make_config(good_rows(31))
    said.clear()
    assert (
        build_corpus(cropped, said.append).manifest.num_samples == report.manifest.num_samples + 1
    )
    assert "sources.made.files" in said[0]
    Image.new("RGB", (9, 9), "red").save(images / "3.png")
    said.clear()
    assert build_corpus(cropped, said.append).num_images_encoded == 1
    assert "1 image files" in said[0]


def test_a_damaged_store_is_mended_by_building_again(make_config):
    config = make_config(good_rows(), image_store=None, store="pixels")
    fingerprint = build_corpus(config).manifest.fingerprint
    next((config.output / "images" / "shards").iterdir()).unlink()
    report = build_corpus(config)
    assert 0 < report.num_images_encoded <= 3
    assert report.manifest.fingerprint == fingerprint
    assert len(open_corpus(config.output).images) == 8


def test_a_build_that_died_is_done_again(make_config):
    config = make_config(good_rows())
    fingerprint = build_corpus(config).manifest.fingerprint
    (config.output / "manifest.json").unlink()
    left_over = config.output / "samples" / "gone" / "99999999999999.parquet"
    left_over.parent.mkdir()
    left_over.write_bytes(b"left over")
    said = []
    report = build_corpus(config, said.append)
    assert report.manifest.fingerprint == fingerprint
    assert not report.num_run
    assert not left_over.exists()
    assert said[0] == f"the build of {config.output} resumes where it was stopped"


def test_two_corpora_share_one_image_store(make_config, tmp_path):
    shared = tmp_path / "shared"
    one = make_config(good_rows(), image_store=shared)
    assert build_corpus(one).num_images_encoded == 8
    two = dataclasses.replace(one, output=tmp_path / "two", template="chatml", sources=one.sources)
    with pytest.raises(PaloError):  # the throwaway tokenizer has no control tokens of chatml
        build_corpus(two)
    three = dataclasses.replace(one, output=tmp_path / "three")
    assert build_corpus(three).num_images_encoded == 0
    assert len(open_corpus(three.output).images) == 8
    with pytest.raises(MismatchError, match="dtype"):
        build_corpus(dataclasses.replace(three, output=tmp_path / "four", feature_dtype="fp16"))
