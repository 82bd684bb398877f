"""A small corpus with rows that were left out, written by hand: no Ray, no tower."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from tests.fixtures.training import write_tokenizer

from palo import storage
from palo.corpus.images_step.image_table import IMAGE_SCHEMA
from palo.corpus.parse.record_files import FiledRecord, file_table
from palo.corpus.quarantine import Quarantine, SourceFile
from palo.corpus.report.show import Inspector
from palo.data.manifest import LanguageCount, Manifest, SourceCount, StageCount, write_manifest
from palo.data.records import Record
from palo.data.samples import write_samples
from palo.images.decode import to_pixels
from palo.images.preprocessing import Preprocessing
from palo.images.store import commit_store, prepare_store, write_shard
from palo.images.store_spec import StoreSpec
from palo.reasons import Reason
from palo.text.encoding import EncodingLimits, encode_conversation
from palo.text.messages import Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

HOSTILE = "</div><script>alert(1)</script><img src=x onerror=alert(2)>"
FIRST = f"{0:018d}.parquet"
ANSWERS = {
    "en": "Two <b>red</b> circles & a \x1b[2J square.",
    "ur": "اس تصویر میں ایک سرخ دائرہ ہے۔",
    "ja": "赤い円が一つあります。",
}


def records(image):
    turns = {
        code: (Turn("user", HOSTILE, num_images=1), Turn("assistant", answer))
        for code, answer in ANSWERS.items()
    }
    return [
        Record(
            record_id=f"made/{number}@{number * 100}",
            language=code,
            source="made",
            licence="CC0",
            image=str(image),
            turns=own,
        )
        for number, (code, own) in enumerate(turns.items())
    ]


def sample_rows(record, tokenizer, image_id):
    encoding = encode_conversation(
        record.conversation, TEMPLATES["vicuna_v1"], tokenizer, EncodingLimits(max_text_tokens=448)
    )
    for number, sample in enumerate(encoding.samples):
        yield {
            "sample_id": f"{record.record_id}/{number}",
            "record_id": record.record_id,
            "language": record.language,
            "source": record.source,
            "image_id": image_id,
            "input_ids": sample.input_ids,
            "label_spans": sample.label_spans,
            "num_text_tokens": sample.num_text_tokens,
            "truncated": sample.truncated,
        }


def write_quarantine(folder, kept):
    source = SourceFile(name="made", path=folder.parent / "made.json")
    parse = Quarantine(folder, "parse", source)
    parse.add(300, Reason.NOT_JSON, "Expecting value", "unknown", f'{{"id": 3, {HOSTILE}')
    row = {"id": 4, "language": "ur", "conversations": [{"from": "human", "value": HOSTILE}]}
    parse.add(400, Reason.NO_ANSWER, "", "ur", json.dumps(row))
    parse.flush()
    near = Quarantine(folder, "near_duplicate", source)
    text = json.dumps(kept.to_llava() | {"id": "made/5@500"})
    text = text.replace("red", "green")
    detail = "of made@0"
    near.add(500, Reason.NEAR_DUPLICATE, detail, "en", text)
    near.flush()


def language_count(code):
    return LanguageCount(
        language=code,
        num_records=1,
        num_samples=1,
        num_split=0,
        num_cut=0,
        num_dropped_parts=0,
        num_text_tokens=100,
        num_target_tokens=20,
        median_text_tokens=100.0,
        p95_text_tokens=100.0,
        max_text_tokens=100,
        truncation_rate=0.0,
        lengths=(0, 1),
    )


def made_manifest(folder, tokenizer, samples):
    stages = (
        StageCount(
            name="parse",
            rows_in=6,
            rows_out=4,
            dropped={"not JSON": {"unknown": 1}, "last turn has no answer": {"ur": 1}},
        ),
        StageCount(
            name="near_duplicate",
            rows_in=4,
            rows_out=3,
            dropped={"nearly a duplicate": {"en": 1}},
        ),
    )
    once = dict.fromkeys(ANSWERS, 1)
    source = SourceCount(
        name="made", stages=stages, num_records=once, num_samples=once, num_text_tokens=once
    )
    return Manifest(
        stages=stages,
        languages=tuple(map(language_count, ANSWERS)),
        sources=(source,),
        files={samples: (folder / samples).stat().st_size},
        num_samples=3,
        num_images=1,
        inputs={"made": "0" * 64},
        settings={
            "limits": {"max_text_tokens": 448, "overflow": "split"},
            "sources": {"made": {"images": str(folder.parent / "photos")}},
        },
        template="vicuna_v1",
        tokenizer_fingerprint=load_tokenizer(tokenizer).fingerprint,
        tower_fingerprint="",
        image_store="images",
        code_version="0",
        fingerprint="cccc000011112222",
        tokenizer=str(tokenizer),
    )


def write_images(folder, image, kind):
    spec = StoreSpec(
        kind=kind,
        shape=(3, 28, 28) if kind == "pixels" else (4, 6),
        dtype="uint8" if kind == "pixels" else "bf16",
        preprocessing=Preprocessing(image_size=28, shortest_edge=28),
    )
    image_id = hashlib.sha256(image.read_bytes()).hexdigest()
    prepare_store(folder / "images", spec)
    row = torch.zeros(1, *spec.shape, dtype=torch.bfloat16)
    if kind == "pixels":
        row = torch.from_numpy(to_pixels(Image.open(image), spec.preprocessing))[None]
    write_shard(folder / "images", spec, [image_id], row)
    commit_store(folder / "images")
    values = [{"path": str(image), "image_id": image_id, "num_bytes": 1, "modified_ns": 1}]
    rows = [value | {"reason": None, "detail": ""} for value in values]
    table = pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA)
    storage.write_table(folder / "image_table.parquet", table)
    return image_id


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspected") / "tokenizer"
    write_tokenizer(folder)
    return folder


@pytest.fixture
def write_inspected(tmp_path, tokenizer_folder):
    """Writes a corpus of three samples about one image, and three rows left out."""

    def write(kind="features"):
        folder = tmp_path / "corpus"
        image = tmp_path / "photos" / "1.png"
        image.parent.mkdir()
        colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(colours).save(image)
        image_id = write_images(folder, image, kind)
        tokenizer = load_tokenizer(tokenizer_folder)
        made = records(image)
        filed = [FiledRecord(record, number * 100, bytes(16)) for number, record in enumerate(made)]
        storage.write_table(folder / "records" / "made" / FIRST, file_table(filed))
        samples = f"samples/made/{FIRST}"
        written = [row for record in made for row in sample_rows(record, tokenizer, image_id)]
        write_samples(folder / samples, written)
        write_quarantine(folder, made[0])
        write_manifest(folder / "manifest.json", made_manifest(folder, tokenizer_folder, samples))
        return folder

    return write


@pytest.fixture
def inspected(write_inspected):
    """Looks into that corpus."""
    return Inspector(write_inspected())
