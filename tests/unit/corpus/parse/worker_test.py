import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palo import languages
from palo.config import to_dict
from palo.corpus import quarantine
from palo.corpus.config import CleaningSettings
from palo.corpus.parse.record_files import records_of
from palo.corpus.parse.worker import ParseTask, parse_row, parse_split
from palo.corpus.quarantine import SourceFile
from palo.corpus.sources import RawRow, split_source
from palo.data.records import RECORD_SCHEMA, Origin, Record, Rejected
from palo.reasons import Reason

ORIGIN = Origin(source="test", language="en", languages=("en",))
CLEANING = {"cleaning": CleaningSettings(), "known": tuple(languages.every())}
TURNS = '[{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]'
GOOD = '{"id": %d, "conversations": ' + TURNS + "}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"id": "caf\xe9"}', Reason.NOT_UTF8),
        (b'{"id": 1', Reason.NOT_JSON),
        (b"[" * 100_000, Reason.NOT_JSON),
        (b'{"id": ' + b"9" * 5000 + b"}", Reason.NOT_JSON),
        (b"[1]", Reason.NOT_A_RECORD),
        (b"null", Reason.NOT_A_RECORD),
        (b"{}", Reason.NO_TURNS),
    ],
)
def test_bytes_that_are_no_record_have_a_reason(data, reason):
    assert parse_row(RawRow(5, data), ORIGIN, 5).reason is reason


@pytest.mark.parametrize(
    ("number", "own_id"),
    [
        ("12345678901234567890123", "12345678901234567890123"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("18446744073709551616", "18446744073709551616"),
        ("18446744073709551615", "18446744073709551615"),
        ("-0", "0"),
        ("1e3", "1000.0"),
        ("NaN", "nan"),
        ("-Infinity", "-inf"),
        ("null", "None"),
        ("true", "True"),
        ("[1e400]", "[inf]"),
        ('"\\ud800"', "?"),
        ('"\\u0000"', "\0"),
        ('1, "id": 2', "2"),
    ],
)
def test_numbers_and_names_are_read_as_pythons_parser_reads_them(number, own_id):
    data = f'{{"id": {number}, "conversations": {TURNS}}}'.encode()
    assert str(json.loads(data)["id"]).encode(errors="replace").decode() == own_id
    assert parse_row(RawRow(0, data), ORIGIN, 0).record_id == f"test/{own_id}@0"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (r'"\ud83d"', Reason.NOT_TEXT),
        (r'"\ud83d\ude00"', None),
        ('"a\tb"', Reason.NOT_JSON),
        (r'"a\x"', Reason.NOT_JSON),
        ("01", Reason.NOT_JSON),
        ("1" * 30, Reason.NOT_TEXT),
        (r'"\u2028"', Reason.EMPTY_TURN),
    ],
)
def test_two_parsers_accept_the_same_words(value, reason):
    data = (GOOD % 1).replace('"Ho"', value).encode()
    outcome = parse_row(RawRow(0, data), ORIGIN, 0)
    assert (outcome.reason if isinstance(outcome, Rejected) else None) is reason


def test_a_reason_of_the_reader_stands():
    assert parse_row(RawRow(5, b"{", Reason.TOO_LARGE), ORIGIN, 5).reason is Reason.TOO_LARGE


def test_good_bytes_become_a_record_named_by_its_offset():
    record = parse_row(RawRow(77, (GOOD % 3).encode()), ORIGIN, 77)
    assert isinstance(record, Record)
    assert record.record_id == "test/3@77"


def test_a_split_gives_files_of_bounded_size_and_its_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(quarantine, "_ROWS_PER_FILE", 4)
    path = tmp_path / "rows.jsonl"
    lines = [GOOD % number for number in range(10)] + ["{", "[]"]
    path.write_text("\n".join(lines))
    (split,) = split_source(path)
    source = SourceFile(name="test", path=path)
    task = ParseTask(
        corpus=tmp_path / "corpus", source=source, split=split, origin=ORIGIN, **CLEANING
    )
    result, written = parse_split(task)
    assert (result.num_rows, result.num_parsed, result.num_records) == (12, 10, 10)
    assert result.parse_drops == {"not JSON": {"unknown": 1}, "not a record": {"unknown": 1}}
    assert "at byte" in result.example
    files = sorted((task.corpus / "records" / "test").iterdir())
    names = [f"records/test/{file.name}" for file in files]
    assert [(file.name, file.num_rows) for file in result.files] == list(
        zip(names, (4, 4, 2), strict=True)
    )
    (bad,) = (task.corpus / "quarantine" / "parse" / "test").iterdir()
    assert written == [*names, f"quarantine/parse/test/{bad.name}"]
    records = [
        record
        for file in files
        for record in records_of(pq.read_table(file).select(RECORD_SCHEMA.names))
    ]
    names = [record.record_id.split("@")[0] for record in records]
    assert names == [f"test/{number}" for number in range(10)]
    assert [len(pq.read_table(file)) for file in files] == [4, 4, 2]
    assert parse_split(task) == (result, written)
    assert sorted((task.corpus / "records" / "test").iterdir()) == files
    assert json.loads(json.dumps(to_dict(result)))["sha256"] == result.sha256


def test_records_are_cleaned_and_those_left_out_are_counted(tmp_path):
    turns = [{"from": "human", "value": "<image>\nQue voyez-vous ?"}, {"from": "gpt"}]
    answers = ["Un chat noir dort sur le canapé.", "A black cat is asleep on the sofa.", "&nbsp;"]
    rows = [{"conversations": [turns[0], turns[1] | {"value": value}]} for value in answers]
    rows.append(
        {"conversations": [turns[0], turns[1] | {"value": "Le chat &amp; le chien jouent.\r\n"}]}
    )
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row | {"image": "1.jpg"}) for row in rows))
    origin = Origin(source="test", language="fr", languages=("fr",), image_folder="images")
    source = SourceFile(name="test", path=path)
    task = ParseTask(
        corpus=tmp_path, source=source, split=split_source(path)[0], origin=origin, **CLEANING
    )
    result, _ = parse_split(task)
    assert (result.num_rows, result.num_parsed, result.num_records) == (4, 4, 2)
    assert result.clean_drops == {"not in its language": {"fr": 1}, "empty turn": {"fr": 1}}
    assert result.counts == {"fr": {"normal_form": 2}}
    records = pq.read_table(tmp_path / result.files[0].name).to_pylist()
    assert records[1]["turns"][1]["text"] == "Le chat & le chien jouent."
    (file,) = (tmp_path / "quarantine" / "clean" / "test").iterdir()
    bad = pq.read_table(file).to_pylist()
    assert [row["detail"] for row in bad] == ["in en", "but for residue"]
    assert json.loads(bad[0]["text"])["conversations"][1]["value"] == answers[1]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_how_a_translation_came_to_be_survives(tmp_path, form):
    told = {"origin_record_id": "coco/1@0", "translator": "nllb", "gates": {"locks": "accept"}}
    row = json.loads(GOOD % 3) | told
    path = tmp_path / f"rows.{form}"
    if form == "jsonl":
        path.write_text(json.dumps(row))
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    (split,) = split_source(path)
    source = SourceFile(name="test", path=path)
    task = ParseTask(corpus=tmp_path, source=source, split=split, origin=ORIGIN, **CLEANING)
    result, _ = parse_split(task)
    table = pq.read_table(tmp_path / result.files[0].name)
    (record,) = records_of(table.select(RECORD_SCHEMA.names))
    assert {name: getattr(record, name) for name in told} == told
