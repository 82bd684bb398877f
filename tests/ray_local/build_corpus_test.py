"""Building small corpora end to end with Ray Data."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.fixtures.corpora import good_rows, row
from transformers import CLIPVisionModel

from palo.corpus.build import build_corpus
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.data.corpus_reader import open_corpus
from palo.errors import DataError, ResourceError
from palo.images.decode import decode_image, preprocess
from palo.images.store import DTYPES
from palo.text.encoding import IMAGE_SENTINEL

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def test_a_corpus_holds_every_row_and_every_image_once(make_config, images):
    said = []
    config = make_config(good_rows(), image_store=None)
    report = build_corpus(config, said.append)
    corpus = open_corpus(config.output)
    assert [stage.rows_in for stage in corpus.manifest.stages] == [30] * 7
    assert len(corpus) == corpus.manifest.num_samples == 30
    assert not report.reused
    samples = corpus.read(range(30))
    assert [s.record_id.split("@")[0] for s in samples] == [f"made/{n}" for n in range(30)]
    assert [s.language for s in samples[:3]] == ["en", "ur", "zh"]
    assert corpus.manifest.num_images == report.num_images_encoded == len(corpus.images) == 8
    assert samples[7].image_id == samples[8].image_id
    for sample, has_image in zip(samples, corpus.has_image, strict=True):
        assert has_image == (sample.image_id is not None)
        assert (sample.input_ids == IMAGE_SENTINEL).sum() == has_image
    assert {count.language: count.num_records for count in corpus.manifest.languages} == {
        "en": 10,
        "zh": 10,
        "ur": 10,
    }
    assert sum(c.num_target_tokens for c in corpus.manifest.languages) == corpus.num_targets.sum()
    assert any("rows/s" in line for line in said)
    assert any("images/s" in line for line in said)


def test_features_are_the_towers_own(make_config, corpus_parts, images):
    config = make_config(good_rows(), image_store=None, feature_dtype="fp32")
    build_corpus(config)
    corpus = open_corpus(config.output)
    (sample,) = [s for s in corpus.read(range(30)) if s.record_id.startswith("made/3@")]
    tower = CLIPVisionModel.from_pretrained(corpus_parts / "tower").eval()
    image = decode_image((images / "3.png").read_bytes())
    pixels = torch.from_numpy(preprocess(image, corpus.images.spec.preprocessing))[None]
    with torch.no_grad():
        expected = tower(pixels, output_hidden_states=True).hidden_states[-2][0, 1:]
    assert torch.allclose(corpus.images.read(sample.image_id), expected, atol=1e-5)
    corpus.check(
        tokenizer_fingerprint=corpus.manifest.tokenizer_fingerprint,
        tower_fingerprint=corpus.images.spec.tower_fingerprint,
        template="vicuna_v1",
    )


@pytest.mark.parametrize("store", ["features", "pixels"])
def test_what_is_built_does_not_depend_on_workers_or_place(make_config, tmp_path, store):
    config = make_config(good_rows(), image_store=None, store=store)
    first = build_corpus(config).manifest
    other = dataclasses.replace(
        config, output=tmp_path / "elsewhere", encoders=EncoderSettings(count=2), images_per_shard=2
    )
    assert build_corpus(other).manifest.fingerprint == first.fingerprint
    corpora = [open_corpus(config.output), open_corpus(other.output)]
    for one, two in zip(*(corpus.read(range(30)) for corpus in corpora), strict=True):
        assert one.sample_id == two.sample_id
        assert np.array_equal(one.input_ids, two.input_ids)
        if one.image_id is not None:
            rows = [corpus.images.read(one.image_id) for corpus in corpora]
            assert torch.equal(*rows)
            assert rows[0].dtype == DTYPES["bf16" if store == "features" else "uint8"]


def test_arrays_and_lines_give_the_same_samples_but_for_their_names(make_config, tmp_path):
    lines = make_config(good_rows())
    array = make_config(good_rows(), name="array", lines=False, output=tmp_path / "two")
    build_corpus(lines)
    build_corpus(array)
    pairs = zip(
        open_corpus(lines.output).read(range(30)),
        open_corpus(array.output).read(range(30)),
        strict=True,
    )
    assert all(np.array_equal(one.input_ids, two.input_ids) for one, two in pairs)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_an_archive_gives_the_same_corpus_as_its_folder(make_config, images, tmp_path, form):
    config = make_config(good_rows())
    fingerprint = build_corpus(config).manifest.fingerprint
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), form, images))
    (source,) = config.sources
    packed = dataclasses.replace(
        config,
        sources=(dataclasses.replace(source, images=archive),),
        output=tmp_path / "other",
        image_store=None,
    )
    report = build_corpus(packed)
    assert report.manifest.fingerprint == fingerprint
    assert report.num_images_encoded == 8
    assert build_corpus(packed).reused
    os.utime(archive)
    said = []
    assert build_corpus(packed, said.append).num_images_encoded == 0
    assert "9 image files" in said[0]
    assert len(list((packed.output / "archives").iterdir())) == 1
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(DataError, match="the archive of images can't be read"):
        build_corpus(packed)


def test_text_alone_needs_no_store(make_config):
    config = make_config([row(n, image=False) for n in range(4)])
    report = build_corpus(config)
    assert report.manifest.image_store is None
    corpus = open_corpus(config.output)
    assert corpus.images is None
    assert not corpus.has_image.any()


def test_more_encoders_than_cpus_say_what_is_missing(make_config):
    single = {"images_per_shard": 1, "image_store": None}  # as many encoders as images can work
    many = make_config(good_rows(), encoders=EncoderSettings(count=99), **single)
    with pytest.raises(ResourceError, match=r"no room for \d+ image encoders: .* 4 CPUs"):
        build_corpus(many)
    on_gpu = make_config(good_rows(), encoders=EncoderSettings(gpus=1.0), **single)
    with pytest.raises(ResourceError, match=r"1 GPU; room for 0"):
        build_corpus(on_gpu)


def test_an_eleventh_language_needs_no_change(make_config, eleventh_language):
    config = make_config([row(n, language=eleventh_language.code) for n in range(3)])
    assert build_corpus(config).manifest.languages[0].language == eleventh_language.code
