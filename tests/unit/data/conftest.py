"""A small corpus, written by hand: no Ray, no tokenizer, no tower."""

import dataclasses
import hashlib

import pytest
import torch

from palo.data.manifest import LanguageCount, Manifest, StageCount, write_manifest
from palo.data.samples import write_samples
from palo.images.preprocessing import Preprocessing
from palo.images.store import commit_store, prepare_store, write_shard
from palo.images.store_spec import StoreSpec
from palo.text.encoding import IMAGE_SENTINEL

FEATURES = StoreSpec(
    kind="features",
    shape=(4, 6),
    dtype="bf16",
    tower_fingerprint="aaaa000011112222",
    layer=-2,
    select="patch",
    preprocessing=Preprocessing(image_size=28, shortest_edge=28),
)


def image_id(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def rows_of(spec, num_images, seed=0):
    values = torch.randn(num_images, *spec.shape, generator=torch.Generator().manual_seed(seed))
    return values.bfloat16() if spec.dtype == "bf16" else (values * 255).to(torch.uint8)


def sample_row(number):
    """Sample n: BOS, an image if n is even, n + 2 prompt tokens, then 3 trained ones."""
    prompt = [1] + [IMAGE_SENTINEL] * (number % 2 == 0) + list(range(10, 12 + number))
    return {
        "sample_id": f"s{number}",
        "record_id": f"r{number}",
        "language": "en" if number % 3 else "ur",
        "source": "test",
        "image_id": image_id(number % 4) if number % 2 == 0 else None,
        "input_ids": [*prompt, 100 + number, 200 + number, 2],
        "label_spans": [(len(prompt), len(prompt) + 3)],
        "num_text_tokens": number + 6,
        "truncated": False,
    }


def language_count(language, num_samples):
    return LanguageCount(
        language=language,
        num_records=num_samples,
        num_samples=num_samples,
        num_split=0,
        num_cut=0,
        num_dropped_parts=0,
        num_text_tokens=0,
        num_target_tokens=3 * num_samples,
        median_text_tokens=0.0,
        p95_text_tokens=0.0,
        max_text_tokens=0,
        truncation_rate=0.0,
    )


def write_corpus(folder, *, num_samples=11, spec=FEATURES):
    rows = [sample_row(number) for number in range(num_samples)]
    write_samples(folder / "samples" / "000.parquet", rows[:4])
    write_samples(folder / "samples" / "001.parquet", rows[4:])
    prepare_store(folder / "images", spec)
    write_shard(folder / "images", spec, [image_id(0), image_id(2)], rows_of(spec, 2))
    commit_store(folder / "images")
    num_ur = sum(row["language"] == "ur" for row in rows)
    manifest = Manifest(
        stages=(StageCount(name="parse", rows_in=num_samples, rows_out=num_samples),),
        languages=(language_count("ur", num_ur), language_count("en", num_samples - num_ur)),
        files={
            f"samples/{name}.parquet": (folder / "samples" / f"{name}.parquet").stat().st_size
            for name in ("000", "001")
        },
        num_samples=num_samples,
        num_images=2,
        inputs={"test": "0" * 64},
        settings={},
        template="vicuna_v1",
        tokenizer_fingerprint="bbbb000011112222",
        tower_fingerprint=spec.tower_fingerprint,
        image_store="images",
        code_version="0",
        fingerprint="cccc000011112222",
    )
    write_manifest(folder / "manifest.json", manifest)
    return folder


@pytest.fixture
def corpus_folder(tmp_path):
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def corpus_of():
    """Writes a corpus whose store differs from the usual one in the given fields."""
    return lambda folder, **changes: write_corpus(
        folder, spec=dataclasses.replace(FEATURES, **changes)
    )
