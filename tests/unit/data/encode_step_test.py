import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fixtures.training import write_tokenizer

from palo.data.duplicates import Duplicate
from palo.data.encode_step import EncodeTask, encode_records
from palo.data.picture_step import PICTURE_SCHEMA
from palo.data.quarantine import SourceFile
from palo.data.reasons import Reason
from palo.data.record_tables import record_table
from palo.data.records import Record
from palo.text.encoding import IMAGE_SENTINEL, EncodingLimits
from palo.text.messages import Turn


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts") / "tokenizer"
    write_tokenizer(folder)
    return folder


def record(number, image=None, rounds=1, place=0, words="two blue squares"):
    turns = []
    for index in range(rounds):
        has_image = image is not None and index == place
        turns.append(Turn("user", "a red circle", int(has_image)))
        turns.append(Turn("assistant", words))
    return Record(
        record_id=f"test/{number}@{number}",
        language="ur",
        source="test",
        licence="",
        image=image,
        turns=tuple(turns),
    )


@pytest.fixture
def encode(tmp_path, tokenizer):
    def run(records, limit=512, template="vicuna_v1", duplicates=()):
        (tmp_path / "records").mkdir(exist_ok=True)
        pq.write_table(record_table(records), tmp_path / "records" / "000-0.parquet")
        common = {"num_bytes": 1, "modified_ns": 1, "detail": ""}
        pictures = [
            {"path": "good", "image_id": "0" * 64, "reason": None, **common},
            {"path": "gone", "image_id": None, "reason": "image is missing", **common},
        ]
        pictures = pa.Table.from_pylist(pictures, schema=PICTURE_SCHEMA)
        pq.write_table(pictures, tmp_path / "pictures.parquet")
        task = EncodeTask(
            corpus=tmp_path,
            name="000-0.parquet",
            source=SourceFile(number=0, name="test", path=tmp_path / "source"),
            template=template,
            tokenizer=tokenizer,
            limits=EncodingLimits(max_text_tokens=limit),
            duplicates=duplicates,
        )
        result = encode_records(task)
        path = tmp_path / "samples" / task.name
        return result, pq.read_table(path).to_pylist() if path.exists() else []

    return run


def test_records_become_samples_with_their_picture(encode):
    result, samples = encode([record(0), record(1, "good")])
    assert [sample["image_id"] for sample in samples] == [None, "0" * 64]
    assert [sample["input_ids"].count(IMAGE_SENTINEL) for sample in samples] == [0, 1]
    assert [sample["sample_id"] for sample in samples] == ["test/0@0/0", "test/1@1/0"]
    assert samples[1]["num_text_tokens"] == len(samples[1]["input_ids"]) - 1
    assert result["counts"] == {"ur": {"records": 2}}
    assert result["records"] == 2
    assert json.dumps(result)


def test_a_part_that_ends_before_the_picture_comes_has_none(encode):
    size = encode([record(0, rounds=1)])[1][0]["num_text_tokens"]
    result, samples = encode([record(0, "good", rounds=3, place=1)], limit=size + 4)
    assert [sample["image_id"] for sample in samples] == [None, "0" * 64, "0" * 64]
    assert result["counts"]["ur"]["split"] == 1


def test_bad_pictures_and_misfits_are_counted_and_kept_for_repair(encode, tmp_path):
    long = record(3, "good", words="x" * 3000)
    result, samples = encode([record(0), record(1, "gone"), long], limit=16)
    assert samples == []
    assert result["drops"]["image"] == {"image is missing": {"ur": 1}}
    assert result["drops"]["encode"] == {"no trained token fits in": {"ur": 2}}
    result, samples = encode([record(0), record(1, "good")], template="plain")
    assert [sample["sample_id"] for sample in samples] == ["test/1@1/0"]
    assert result["drops"]["encode"] == {"doesn't fit the template": {"ur": 1}}
    assert "a caption needs an image" in result["example"]
    (row,) = pq.read_table(tmp_path / "quarantine" / "image-000-00000000000001.parquet").to_pylist()
    assert row["reason"] == Reason.IMAGE_MISSING
    assert json.loads(row["text"])["image"] == "gone"


def test_a_duplicate_is_left_out_unless_its_picture_is_bad(encode, tmp_path):
    repeated = tuple(Duplicate(offset=offset, first=(2, 77)) for offset in (1, 2))
    result, samples = encode([record(0), record(1), record(2, "gone")], duplicates=repeated)
    assert [sample["sample_id"] for sample in samples] == ["test/0@0/0"]
    assert result["drops"]["image"] == {"image is missing": {"ur": 1}}
    assert result["drops"]["duplicate"] == {"duplicate of an earlier record": {"ur": 1}}
    (row,) = pq.read_table(
        tmp_path / "quarantine" / "duplicate-000-00000000000001.parquet"
    ).to_pylist()
    assert row["detail"] == "of the record at 77 in source 2"


def test_the_digest_names_the_samples(encode):
    first = encode([record(0), record(1, "good")])[0]["digest"]
    assert encode([record(0), record(1, "good")])[0]["digest"] == first
    assert encode([record(0), record(1)])[0]["digest"] != first
    assert encode([record(1, "good"), record(0)])[0]["digest"] != first
