import dataclasses

import pyarrow as pa

from palo.corpus.record_tables import record_table, records_of
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
