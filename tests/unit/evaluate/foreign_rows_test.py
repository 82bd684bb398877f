"""Files of answers and reviews, in the forms that other programs leave behind."""

import json

import pytest

from palo.errors import DataError, StorageError
from palo.evaluate.foreign_rows import CUT_LINE, read_foreign_rows

ROWS = [{"question_id": 1, "text": "گھر"}, {"question_id": 2, "text": "یہاں"}]
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
ARRAY = json.dumps(ROWS, ensure_ascii=False, indent=1)

FILES = {
    "lines": ("a.jsonl", LINES),
    "lines with CRLF": ("a.jsonl", LINES.replace("\n", "\r\n") + "\r\n"),
    "lines with a byte order mark": ("a.jsonl", f"\ufeff{LINES}\n"),
    "an array": ("a.json", ARRAY),
    "an array with a byte order mark": ("a.json", f"\ufeff{ARRAY}"),
    "an object with a list": ("a.json", json.dumps({"args": {}, "logs": ROWS})),
    "lines under the name of an array": ("a.json", LINES),
    "an array under the name of lines": ("a.jsonl", ARRAY),
}


@pytest.mark.parametrize(("name", "text"), FILES.values(), ids=FILES)
def test_rows_are_read_in_each_form(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    found = read_foreign_rows(path)
    assert [dict(row.values) for row in found.rows] == ROWS
    assert found.defects == {}


@pytest.mark.parametrize("cut", [1, 9, 12, 17])
def test_a_last_line_that_was_cut_off_is_set_aside(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES.encode()[:-cut])
    found = read_foreign_rows(path)
    assert [dict(row.values) for row in found.rows] == ROWS[:1]
    assert found.defects == {CUT_LINE: 1}


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("a.jsonl", '{"broken\n{"question_id": 1}\n', StorageError),
        ("a.jsonl", '{"question_id": 1}\n{"broken\n', StorageError),
        ("a.jsonl", "7\n", DataError),
        ("a.json", '["a"]', DataError),
        ("a.json", "7", DataError),
        ("a.json", "[{]", StorageError),
    ],
)
def test_anything_else_is_an_error(tmp_path, name, text, wrong):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(wrong):
        read_foreign_rows(tmp_path / name)
