"""Building a corpus whose sources, images, image store and samples all lie on S3."""

import dataclasses
import os

import pytest
import torch
from tests.fixtures.corpora import good_rows, row

from palo import storage
from palo.corpus.build import build_corpus
from palo.data.corpus_reader import open_corpus
from palo.data.loader import PackLoader
from palo.data.plan import Plan, PlanConfig
from palo.errors import StorageError

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def moved(config, bucket, images):
    """Copies what a build reads to a bucket; returns its configuration with all paths there."""
    (source,) = config.sources
    (bucket / "rows" / source.path.name).write_bytes(source.path.read_bytes())
    for path in images.iterdir():
        (bucket / "images" / path.name).write_bytes(path.read_bytes())
    source = dataclasses.replace(
        source, path=bucket / "rows" / source.path.name, images=bucket / "images"
    )
    return dataclasses.replace(
        config,
        sources=(source,),
        output=bucket / "corpora" / "made",
        image_store=bucket / "corpora" / "images",
    )


def batches(corpus):
    config = PlanConfig(global_batch=8, token_budget=512, tokens_per_image=3, max_epochs=1)
    plan = Plan(config, corpus.manifest.fingerprint, corpus.lengths, corpus.has_image)
    with PackLoader(corpus, plan) as loader:
        return [batch for step in loader for batch in step.micro_batches]


def test_a_corpus_on_s3_equals_one_on_a_disk(make_config, bucket, images):
    local = make_config([*good_rows(), row(31, image=True) | {"image": "absent.png"}])
    local = dataclasses.replace(local, max_bad_share=0.1)
    remote = moved(local, bucket, images)
    expected, report = build_corpus(local).manifest, build_corpus(remote)
    assert report.manifest.fingerprint == expected.fingerprint
    assert report.manifest.stages == expected.stages
    assert report.manifest.image_store == "../images"
    assert report.num_images_encoded == 8
    assert build_corpus(remote).reused
    for own, other in zip(
        batches(open_corpus(remote.output)), batches(open_corpus(local.output)), strict=True
    ):
        assert own.sample_ids == other.sample_ids
        assert torch.equal(own.input_ids, other.input_ids)
        assert (own.features is None) == (other.features is None)
        assert own.features is None or torch.equal(own.features, other.features)


@pytest.fixture
def vanishing(bucket):
    """Takes the bucket away with all that is in it, and brings it back."""
    if "PALO_TEST_S3_ENDPOINT" in os.environ:
        pytest.skip("only moto's buckets come back: unset PALO_TEST_S3_ENDPOINT")
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    name = bucket.place.bucket
    tables = (s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets, s3_backends.bucket_accounts)
    kept = [table[name] for table in tables]

    def vanish():
        for table in tables:
            table.pop(name, None)

    def come_back():
        for table, value in zip(tables, kept, strict=True):
            table[name] = value

    return vanish, come_back


def test_a_bucket_that_vanishes_half_way_stops_with_one_line_and_the_build_goes_on(
    make_config, bucket, images, vanishing
):
    vanish, come_back = vanishing
    config = moved(make_config(good_rows()), bucket, images)
    said = []

    def say(line):
        said.append(line)
        if line.startswith("images:"):
            vanish()

    with pytest.raises(StorageError, match=r"no such bucket: bucket-\d+ at http.*resumes where"):
        build_corpus(config, say)
    assert said[-1].startswith("images:")
    come_back()
    report = build_corpus(config)
    assert report.num_reused["parse"] == 1
    assert len(open_corpus(config.output)) == 30
    assert sum(storage.file_sizes(config.output / "samples" / "made").values()) > 0
