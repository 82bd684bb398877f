import json
import os

import pytest

from palo.corpus.sources import read_split, source_files, split_source
from palo.corpus.sources import rows as byte_limits
from palo.errors import DataError, StorageError
from palo.reasons import Reason

ROWS = [{"id": n, "text": 'কি, "[{]}" \\ ' * n, "list": [[{"a": []}], {}]} for n in range(40)]


def rows_of(path, **options):
    return [row for split in split_source(path, **options) for row in read_split(split)]


def written(folder, data, name="source"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("read_bytes", [2, 7, 64, 1 << 20])
def test_arrays_of_any_layout_are_cut_right(tmp_path, monkeypatch, indent, ascii_only, read_bytes):
    monkeypatch.setattr(byte_limits, "READ_BYTES", read_bytes)
    data = json.dumps(ROWS, ensure_ascii=ascii_only, indent=indent).encode()
    path = written(tmp_path, data)
    rows = rows_of(path, form="json")
    assert [json.loads(row.data) for row in rows] == ROWS
    for row in rows:
        assert data[row.offset : row.offset + len(row.data)] == row.data


@pytest.mark.parametrize("split_bytes", [37, 50, 333, 10**9])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("ended", [True, False])
def test_splits_of_json_lines_hold_every_line_once(tmp_path, split_bytes, newline, ended):
    text = newline.join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    data = (text + newline * ended).encode()
    path = written(tmp_path, data)
    rows = rows_of(path, split_bytes=split_bytes)
    assert [json.loads(row.data) for row in rows] == ROWS
    for row in rows:
        assert data[row.offset : row.offset + len(row.data)] == row.data


def test_blank_lines_and_a_mark_in_front_are_no_rows(tmp_path):
    path = written(tmp_path, b'\xef\xbb\xbf{"id": 1}\n\n  \n{"id": 2}\n')
    assert [row.data for row in rows_of(path)] == [b'{"id": 1}', b'{"id": 2}']
    path = written(tmp_path, b'\xef\xbb\xbf [ {"id": 1} , {"id": 2}\n]\n ')
    assert [(row.offset, row.data) for row in rows_of(path)] == [
        (6, b'{"id": 1}'),
        (18, b'{"id": 2}'),
    ]


def test_an_empty_array_has_no_rows(tmp_path):
    assert rows_of(written(tmp_path, "[ ]")) == []


def test_elements_that_are_no_objects_are_rows_too(tmp_path):
    rows = rows_of(written(tmp_path, '[1, "a,b", [2, 3], null, {"a": 1,}]'))
    assert [row.data for row in rows] == [b"1", b'"a,b"', b"[2, 3]", b"null", b'{"a": 1,}']


def test_a_bad_line_is_passed_on_as_it_is(tmp_path):
    rows = rows_of(written(tmp_path, b'{"id": "caf\xe9"}\n{"id": \n{"id": 2}\n'))
    assert [row.data for row in rows] == [b'{"id": "caf\xe9"}', b'{"id":', b'{"id": 2}']


def test_a_line_that_is_too_large_is_kept_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr(byte_limits, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(byte_limits, "KEPT_BYTES", 10)
    rows = rows_of(written(tmp_path, '{"id": 1}\n{"id": "' + "x" * 500 + '"}\n{"id": 2}\n'))
    assert [(row.data, row.reason) for row in rows] == [
        (b'{"id": 1}', None),
        (b'{"id": "xx', Reason.TOO_LARGE),
        (b'{"id": 2}', None),
    ]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "the source is empty"),
        (b" \n\n", "the source is empty"),
        (b"\xef\xbb\xbf", "the source is empty"),
        (b"id,image,text\n", "neither a JSON array nor JSON lines.*id,image,text"),
        (b'{\n "id": 1\n}', "neither a JSON array nor JSON lines"),
        (b"PK\x03\x04", "neither a JSON array nor JSON lines"),
        ('[{"id": 1}]'.encode("utf-16"), "UTF-16.*iconv"),
        (b'[{"id": 1}, {"id": 2, "te', r"cut off.*record at byte 12.*again"),
        (b'[{"id": 1}, {"id": 2}', r"cut off.*record at byte 12"),
        (b"[", "cut off"),
        (b'[{"id": 1}] {"id": 2}', r"more text after.*byte 11.*jsonl"),
    ],
)
def test_a_file_that_is_no_source_is_one_clear_error(tmp_path, data, fault):
    path = written(tmp_path, data)
    with pytest.raises(DataError, match=fault) as caught:
        rows_of(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_format_is_noticed(tmp_path):
    path = written(tmp_path, '{"id": 1}\n')
    with pytest.raises(DataError, match="Set format to jsonl"):
        rows_of(path, form="json")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(StorageError, match=r"can't read .*nowhere.*Check the path"):
        split_source(tmp_path / "nowhere")


@pytest.mark.parametrize("data", ['[{"id": 1}, {"id": 2}]', '{"id": 1}\n{"id": 2}\n'])
@pytest.mark.parametrize("change", ["grows", "shrinks", "is touched"])
@pytest.mark.parametrize("when", ["before", "while"])
def test_a_file_that_changes_while_it_is_read_says_so(tmp_path, data, change, when):
    path = written(tmp_path, data)
    (split,) = split_source(path)
    rows = read_split(split)
    if when == "while":
        next(rows)
    if change == "is touched":
        os.utime(path, ns=(0, 0))
    else:
        path.write_text(data + " " if change == "grows" else data[:-2])
    with pytest.raises(DataError, match=r"changed while it was read.*run again") as caught:
        list(rows)
    assert str(path) in str(caught.value)


def test_a_file_that_looks_cut_off_while_it_is_written_says_that_it_changed(tmp_path):
    path = written(tmp_path, '[{"id": 1}, {"id"')
    (split,) = split_source(path)
    rows = read_split(split)
    next(rows)
    path.write_text('[{"id": 1}, {"id": 2}]')
    with pytest.raises(DataError, match="changed while it was read"):
        list(rows)


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    for name in ("b/1.jsonl", "a.jsonl", "a/2.json", "notes.txt", ".git/x.json", "_tmp/y.jsonl"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"file": name})
        path.write_text(f"[{text}]" if name.endswith(".json") else f"{text}\n{text}\n")
    return folder


def names(path, root):
    return [str(file.relative_to(root)) for file in source_files(path)]


def test_a_folder_gives_its_files_in_the_order_of_their_paths(shards):
    assert names(shards, shards) == ["a.jsonl", "a/2.json", "b/1.jsonl"]
    assert names(shards / "a.jsonl", shards) == ["a.jsonl"]


def test_a_pattern_gives_the_files_that_it_names(shards):
    assert names(shards / "*.jsonl", shards) == ["a.jsonl"]
    assert names(shards / "*" / "*.json*", shards) == ["a/2.json", "b/1.jsonl"]
    assert names(shards / "[ab]" / "?.jsonl", shards) == ["b/1.jsonl"]


def test_rows_of_several_files_have_places_in_their_order(shards):
    found = split_source(shards)
    assert [split.format for split in found] == ["jsonl", "json", "jsonl"]
    rows = [(split, row) for split in found for row in read_split(split)]
    assert [row.value["file"] for _, row in rows] == ["a.jsonl"] * 2 + ["a/2.json"] + [
        "b/1.jsonl"
    ] * 2
    places = [split.row_offset(row.offset) for split, row in rows]
    assert places == sorted(set(places))
    assert places[:2] == [0, rows[1][1].offset]


def test_a_file_with_wildcards_in_its_name_is_a_file(tmp_path):
    path = tmp_path / "data[1].json"
    path.write_text("[]")
    assert source_files(path) == [path]


@pytest.mark.parametrize("name", ["empty", "*.json"])
def test_no_files_are_one_clear_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the source has no files.*\.parquet"):
        split_source(tmp_path / name)


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(StorageError, match=r"can't read .*nowhere.*Check the path"):
        split_source(tmp_path / "nowhere")


def test_sources_on_s3_are_found_and_split_as_on_a_disk(shards, bucket):
    for path in shards.rglob("*.json*"):
        (bucket / "shards" / str(path.relative_to(shards))).write_bytes(path.read_bytes())
    folder = bucket / "shards"
    assert names(folder, folder) == ["a.jsonl", "a/2.json", "b/1.jsonl"]
    assert names(folder / "*.jsonl", folder) == ["a.jsonl"]
    assert names(folder / "*" / "*.json*", folder) == ["a/2.json", "b/1.jsonl"]
    local = [row for split in split_source(shards) for row in read_split(split)]
    assert [row for split in split_source(folder) for row in read_split(split)] == local
    with pytest.raises(DataError, match="the source has no files"):
        split_source(folder / "*.parquet")
    with pytest.raises(StorageError, match="can't read s3://"):
        split_source(folder / "absent.jsonl")


def test_a_source_on_s3_that_changes_is_noticed(bucket):
    path = bucket / "a.jsonl"
    path.write_text('{"a": 1}\n')
    (split,) = split_source(path)
    path.write_text('{"a": 2}\n')
    with pytest.raises(DataError, match="changed"):
        list(read_split(split))
