"""JSON and TOML files of settings, lists and results: deep, huge, or with values that trip code."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.abuse.linear_time import assert_linear_in_bytes

from palo import config, storage
from palo.corpus.config import read_source_list
from palo.errors import ConfigError, DataError, PaloError, StorageError
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.benches.rows import read_rows as read_bench_rows
from palo.evaluate.judging.review_files import read_reviews
from palo.storage import reading
from palo.translate.glossary import read_glossary
from palo.translate.review.store import ReviewStore
from palo.translate.translated import from_row, read_rows, to_row

DEEP = ("[" * 200_000, '{"a":' * 200_000, "[" * 5000 + "]" * 5000)
NONSENSE = (*DEEP, "", "\0", "nul", '{"a": 1' + "0" * 5000 + "}", "{} {}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of every kind."""

    number: float = 0.0
    count: int = 0
    path: Path = Path()
    names: tuple[str, ...] = ()


@pytest.mark.parametrize("text", NONSENSE)
def test_a_json_file_of_nonsense_is_one_clear_error(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(StorageError, match="not JSON"):
        storage.read_json(path)
    path.write_text(text or "?")
    with pytest.raises(StorageError, match=r"line 1 of .* is not JSON"):
        list(storage.read_json_lines(path))


def test_a_json_file_of_another_kind_is_one_clear_error(tmp_path):
    path = tmp_path / "a.json"
    for text in ("[" * 900 + "]" * 900, "null", "7", '"a"', "[]", "NaN"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            config.from_dict(Settings, storage.read_json(path))


@pytest.mark.parametrize(
    "values",
    [
        {"number": 10**400},
        {"number": -(10**400)},
        {"path": "a\0b"},
        {"count": 1.0},
        {"names": "a"},
        {"names": [1]},
        {"unknown" * 100_000: 1},
        {"number": ["a" * 1_000_000]},
        {"number": json.loads("[" * 900 + "]" * 900)},
        [],
        "a" * 1_000_000,
        None,
    ],
)
def test_settings_with_odd_values_are_one_short_error(values):
    with pytest.raises(ConfigError) as caught:
        config.from_dict(Settings, values)
    assert len(str(caught.value)) < 1000


def test_values_that_are_too_deep_to_be_shown_are_named_by_their_kind():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ConfigError, match="list"):
        config.from_dict(Settings, {"number": value})


def test_files_that_are_too_large_are_not_read(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StorageError, match="more than"):
        storage.read_json(path)
    with pytest.raises((StorageError, ConfigError), match="more than"):
        read_source_list(path)


def test_a_line_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_JSON_BYTES", 1000)
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n"' + "a" * 2000 + '"\n')
    rows = storage.read_json_lines(path)
    assert next(rows) == (1, {"a": 1})
    with pytest.raises(StorageError, match=r"line 2 of .* longer than"):
        next(rows)


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "folder"])
def test_what_is_no_file_is_not_read(tmp_path, name):
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    if name == "folder":
        path.mkdir()
    for read in (storage.read_json, storage.read_text, storage.read_bytes, storage.read_toml):
        with pytest.raises(StorageError, match="can't read"):
            read(path)
    with pytest.raises(StorageError, match="can't read"):
        list(storage.read_json_lines(path))
    with pytest.raises(StorageError, match="can't read"):
        storage.open_parquet(path)


TOML = {
    "dotted keys": lambda size: "a." * (size // 2) + "b = 1",
    "dotted tables": lambda size: "[" + "a." * (size // 2) + "b]",
    "quoted keys": lambda size: '"a".' * (size // 4) + "b = 1",
    "empty keys": lambda size: "''." * (size // 3) + "b = 1",
    "keys in tables": lambda size: "a = {" + "b . " * (size // 4) + "c = 1}",
    "arrays": lambda size: "a = " + "[" * size,
    "closed arrays": lambda size: "a = " + "[" * (size // 2) + "]" * (size // 2),
    "inline tables": lambda size: "a = " + "{b = " * (size // 5),
    "numbers": lambda size: "a = " + "1" * size,
    "times": lambda size: "a = 1979-05-27T07:32:00." + "1" * size,
    "texts": lambda size: 'a = "' + "a" * size,
    "long texts": lambda size: 'a = """' + '""a' * (size // 3),
    "escapes": lambda size: 'a = "' + "\\u0041" * (size // 6) + '"',
    "quotes": lambda size: '"' * size,
    "comments": lambda size: "#" * size,
    "lines": lambda size: "\n" * size,
    "tables": lambda size: "".join(f"[a{n}]\n" for n in range(size // 7)),
    "arrays of tables": lambda size: "[[a]]\n" * (size // 6),
    "words": lambda size: "a" * size,
    "dashes": lambda size: "-." * (size // 2),
}


@pytest.mark.parametrize("kind", TOML)
def test_toml_is_read_in_linear_time_or_refused(tmp_path, kind):
    path = tmp_path / "a.toml"

    def read():
        for read_file in (read_source_list, lambda path: read_glossary([path])):
            try:
                read_file(path)
            except PaloError as error:
                assert len(str(error)) < 20_000_000  # noqa: PT017 - one or the other

    def prepare(size):
        path.write_text(TOML[kind](size))
        return read

    assert_linear_in_bytes(prepare)


def test_toml_of_people_is_read(tmp_path):
    path = tmp_path / "a.toml"
    text = "; ".join(["a.b.c.d, e. f. g."] * 100)
    path.write_text(f'[a.b."c.d"]\npath = "{text}"\n"x.y".z = 1\n')
    assert storage.read_toml(path)["a"]["b"]["c.d"]["x.y"] == {"z": 1}


@pytest.mark.parametrize("text", [*DEEP, '{"source": 1}', "[1]", '{"source": {"turns": 7}}'])
def test_results_of_others_are_one_clear_error(tmp_path, text):
    path = tmp_path / "results.jsonl"
    path.write_text(text + "\n")
    with pytest.raises((DataError, StorageError)):
        list(read_rows(path))
    folder = tmp_path / "review"
    folder.mkdir()
    (folder / "items.jsonl").write_text(text + "\n")
    with pytest.raises((DataError, StorageError)):
        ReviewStore(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_images", 10**9),
        ("num_images", "1"),
        ("num_images", -1),
        ("role", "system"),
        ("role", ["user"]),
        ("text", None),
    ],
)
def test_a_turn_of_a_foreign_result_is_checked(translation, field, value):
    row = to_row(translation())
    row["source"]["turns"][0][field] = value
    with pytest.raises(DataError):
        from_row(row)


@pytest.mark.parametrize(
    ("field", "value"), [("image", 7), ("image", ["a"]), ("licence", None), ("translator", {})]
)
def test_a_foreign_result_is_checked(translation, field, value):
    row = to_row(translation())
    row["source"][field] = value
    with pytest.raises(DataError):
        from_row(row)


def test_scores_of_hundreds_of_digits_are_unreadable(tmp_path):
    path = tmp_path / "reviews.jsonl"
    path.write_text('{"question_id": "1", "tuple": [1%s, 1]}\n' % ("0" * 400))
    item = BenchItem(
        question_id="1", language="en", image=tmp_path / "a.png", category="c", question="q",
        references=("a",),
    )  # fmt: skip
    assert read_reviews(path, [item]).scored == ()
    assert read_bench_rows(path)[0].text("question_id") == "1"
