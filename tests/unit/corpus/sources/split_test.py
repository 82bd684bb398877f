"""Sources of several files."""

import json

import pytest

from palo.corpus.sources import read_split, source_files, split_source
from palo.errors import DataError, StorageError


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
    assert [piece.format for piece in found] == ["jsonl", "json", "jsonl"]
    rows = [(piece, row) for piece in found for row in read_split(piece)]
    assert [row.value["file"] for _, row in rows] == ["a.jsonl"] * 2 + ["a/2.json"] + [
        "b/1.jsonl"
    ] * 2
    places = [piece.place_of(row.offset) for piece, row in rows]
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
    local = [row for piece in split_source(shards) for row in read_split(piece)]
    assert [row for piece in split_source(folder) for row in read_split(piece)] == local
    with pytest.raises(DataError, match="the source has no files"):
        split_source(folder / "*.parquet")
    with pytest.raises(StorageError, match="can't read s3://"):
        split_source(folder / "absent.jsonl")


def test_a_source_on_s3_that_changes_is_noticed(bucket):
    path = bucket / "a.jsonl"
    path.write_text('{"a": 1}\n')
    (piece,) = split_source(path)
    path.write_text('{"a": 2}\n')
    with pytest.raises(DataError, match="changed"):
        list(read_split(piece))
