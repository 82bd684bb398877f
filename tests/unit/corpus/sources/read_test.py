import json
import os

import pytest

from palo.corpus.sources import read_split, split_source
from palo.corpus.sources import rows as pieces
from palo.errors import DataError, StorageError
from palo.reasons import Reason

ROWS = [{"id": n, "text": 'কি, "[{]}" \\ ' * n, "list": [[{"a": []}], {}]} for n in range(40)]


def rows_of(path, **options):
    return [row for piece in split_source(path, **options) for row in read_split(piece)]


def written(folder, data, name="source"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("read_bytes", [2, 7, 64, 1 << 20])
def test_arrays_of_any_layout_are_cut_right(tmp_path, monkeypatch, indent, ascii_only, read_bytes):
    monkeypatch.setattr(pieces, "READ_BYTES", read_bytes)
    data = json.dumps(ROWS, ensure_ascii=ascii_only, indent=indent).encode()
    path = written(tmp_path, data)
    rows = rows_of(path, form="json")
    assert [json.loads(row.data) for row in rows] == ROWS
    for row in rows:
        assert data[row.offset : row.offset + len(row.data)] == row.data


@pytest.mark.parametrize("piece_bytes", [37, 50, 333, 10**9])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("ended", [True, False])
def test_pieces_of_json_lines_hold_every_line_once(tmp_path, piece_bytes, newline, ended):
    text = newline.join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    data = (text + newline * ended).encode()
    path = written(tmp_path, data)
    rows = rows_of(path, piece_bytes=piece_bytes)
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
    monkeypatch.setattr(pieces, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(pieces, "KEPT_BYTES", 10)
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
    (piece,) = split_source(path)
    rows = read_split(piece)
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
    (piece,) = split_source(path)
    rows = read_split(piece)
    next(rows)
    path.write_text('[{"id": 1}, {"id": 2}]')
    with pytest.raises(DataError, match="changed while it was read"):
        list(rows)
