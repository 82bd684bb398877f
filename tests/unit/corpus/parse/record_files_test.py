import dataclasses

import pyarrow as pa

from palo.corpus.parse.record_files import DIGEST_BYTES, digest_of, record_table, records_of
from palo.data.records import RECORD_SCHEMA, Record
from palo.text.messages import Turn

QUESTION = Turn("user", "Was ist das?", 1)
RECORDS = [
    Record(
        record_id="made/1@0",
        language="ur",
        source="made",
        licence="CC0",
        image="images/1.jpg",
        turns=(QUESTION, Turn("assistant", "آدمی 🚲")),
    ),
    Record(
        record_id="made/2@80",
        language="en",
        source="made",
        licence="",
        image=None,
        turns=(Turn("user", "One?"), Turn("assistant", "\0"), Turn("user", "Two?")),
        origin_record_id="made/1@0",
        translator="somebody",
        gates={"length": "passed", "script": "failed"},
    ),
]


def test_records_survive_their_table():
    table = record_table(RECORDS)
    assert table.schema == RECORD_SCHEMA
    table.validate(full=True)
    assert list(records_of(table)) == RECORDS
    assert list(records_of(table.slice(1))) == RECORDS[1:]
    assert list(records_of(pa.concat_tables([table, table]))) == RECORDS * 2
    assert list(records_of(record_table([]))) == []


def test_the_table_is_the_one_that_rows_would_give():
    rows = [dataclasses.asdict(record) for record in RECORDS]
    rows[1]["gates"] = list(rows[1]["gates"].items())
    assert record_table(RECORDS) == pa.Table.from_pylist(rows, schema=RECORD_SCHEMA)


def turns(question="Is it?", answer="yes", num_images=0):
    return (Turn("user", question, num_images), Turn("assistant", answer))


def test_a_digest_tells_language_and_turns():
    texts = [
        ("en", turns()),
        ("fr", turns()),
        ("en", turns(answer="no")),
        ("en", turns(question="Is it? ")),
        ("en", turns(num_images=1)),
        ("en", (*turns(), *turns())),
        ("en", turns(question="Is it?y", answer="es")),
    ]
    digests = [digest_of(*text) for text in texts]
    assert len(set(digests)) == len(texts)
    assert {len(digest) for digest in digests} == {DIGEST_BYTES}
    assert digest_of("en", turns()) == digests[0]
