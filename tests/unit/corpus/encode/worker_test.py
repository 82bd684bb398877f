import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fixtures.corpora import write_records
from tests.fixtures.training import write_tokenizer

from palo.config import to_dict
from palo.corpus.encode.worker import EncodeTask, encode_records, samples_name
from palo.corpus.filter.decisions import DECISION_SCHEMA, decisions_name
from palo.corpus.quarantine import SourceFile
from palo.data.records import Record
from palo.reasons import Reason
from palo.storage import write_table
from palo.text.encoding import IMAGE_SENTINEL, EncodingLimits
from palo.text.messages import Turn

KEEP = (None, None, "", None)
IMAGES = {
    None: KEEP,
    "good": (None, None, "", "0" * 64),
    "gone": ("image", "image is missing", "", None),
}


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
    def run(records, limit=512, template="vicuna_v1", decisions=None):
        name = "records/test/00.parquet"
        write_records(tmp_path / name, records)
        rows = [
            dict(zip(DECISION_SCHEMA.names, decision, strict=True))
            for decision in decisions or [IMAGES[record.image] for record in records]
        ]
        table = pa.Table.from_pylist(rows, schema=DECISION_SCHEMA)
        write_table(tmp_path / decisions_name(name), table)
        task = EncodeTask(
            corpus=tmp_path,
            name=name,
            source=SourceFile(name="test", path=tmp_path / "source"),
            template=template,
            tokenizer=tokenizer,
            limits=EncodingLimits(max_text_tokens=limit),
        )
        path = tmp_path / samples_name(name)
        path.unlink(missing_ok=True)
        result, files = encode_records(task)
        assert all((tmp_path / file).is_file() for file in files)
        return result, pq.read_table(path).to_pylist() if path.exists() else []

    return run


def test_records_become_samples_with_their_image(encode):
    result, samples = encode([record(0), record(1, "good")])
    assert [sample["image_id"] for sample in samples] == [None, "0" * 64]
    assert [sample["input_ids"].count(IMAGE_SENTINEL) for sample in samples] == [0, 1]
    assert [sample["sample_id"] for sample in samples] == ["test/0@0/0", "test/1@1/0"]
    assert samples[1]["num_text_tokens"] == len(samples[1]["input_ids"]) - 1
    assert result.counts == {"ur": {"records": 2}}
    assert result.num_records == 2
    assert json.dumps(to_dict(result))


def test_a_part_that_ends_before_the_image_comes_has_none(encode):
    size = encode([record(0, rounds=1)])[1][0]["num_text_tokens"]
    result, samples = encode([record(0, "good", rounds=3, place=1)], limit=size + 4)
    assert [sample["image_id"] for sample in samples] == [None, "0" * 64, "0" * 64]
    assert result.counts["ur"]["split"] == 1


def test_bad_images_and_misfits_are_counted_and_kept_for_repair(encode, tmp_path):
    long = record(3, "good", words="x" * 3000)
    result, samples = encode([record(0), record(1, "gone"), long], limit=16)
    assert samples == []
    assert result.drops["image"] == {"image is missing": {"ur": 1}}
    assert result.drops["encode"] == {"no trained token fits in": {"ur": 2}}
    result, samples = encode([record(0), record(1, "good")], template="plain")
    assert [sample["sample_id"] for sample in samples] == ["test/1@1/0"]
    assert result.drops["encode"] == {"doesn't fit the template": {"ur": 1}}
    assert "a caption needs an image" in result.example
    (row,) = pq.read_table(
        tmp_path / "quarantine" / "image" / "test" / "000000000000000001.parquet"
    ).to_pylist()
    assert row["reason"] == Reason.IMAGE_MISSING
    assert json.loads(row["text"])["image"] == "gone"


def test_every_decision_is_followed(encode, tmp_path):
    records = [record(n) for n in range(5)]
    records[3] = record(3, "gone")
    decisions = [
        KEEP,
        ("duplicate", Reason.DUPLICATE, "of other@77", None),
        ("mixture", Reason.NOT_CHOSEN, "", None),
        IMAGES["gone"],
        ("near_duplicate", Reason.NEAR_DUPLICATE, "of other@77", None),
    ]
    result, samples = encode(records, decisions=decisions)
    assert [sample["sample_id"] for sample in samples] == ["test/0@0/0"]
    assert result.drops == {
        "image": {"image is missing": {"ur": 1}},
        "duplicate": {"duplicate of an earlier record": {"ur": 1}},
        "near_duplicate": {"nearly a duplicate": {"ur": 1}},
        "mixture": {"not in the mixture": {"ur": 1}},
        "encode": {},
    }
    folder = tmp_path / "quarantine"
    assert sorted(path.name for path in folder.iterdir()) == [
        "duplicate",
        "image",
        "near_duplicate",
    ]
    (row,) = pq.read_table(folder / "duplicate" / "test" / "000000000000000001.parquet").to_pylist()
    assert row["detail"] == "of other@77"


def test_lengths_and_trained_tokens_are_counted(encode):
    result, samples = encode([record(0), record(1), record(2, words="two")])
    lengths = Counter(sample["num_text_tokens"] for sample in samples)
    assert result.lengths == {"ur": {str(size): count for size, count in lengths.items()}}
    spans = [span for sample in samples for span in sample["label_spans"]]
    assert result.num_targets == {"ur": sum(span["end"] - span["start"] for span in spans)}


def test_the_digest_names_the_samples(encode):
    first = encode([record(0), record(1, "good")])[0].digest
    assert encode([record(0), record(1, "good")])[0].digest == first
    assert encode([record(0), record(1)])[0].digest != first
    assert encode([record(1, "good"), record(0)])[0].digest != first
