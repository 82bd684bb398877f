"""The job for reviews, without its page."""

import json
from pathlib import Path

import pytest
from tests.fixtures.scripts import load_script

from palo.errors import ConfigError, DataError
from palo.translate.review.store import ReviewStore
from palo.translate.translated import to_row

_JOB = Path(__file__).resolve().parents[3] / "jobs" / "review.py"


@pytest.fixture
def review():
    module = load_script(_JOB)
    return lambda *arguments: module.main([str(argument) for argument in arguments])


def test_a_file_goes_out_and_comes_back_and_what_is_approved_is_written(
    tmp_path, translation, review, capsys
):
    folder, file, approved = (tmp_path / name for name in ("review", "amina.jsonl", "good.jsonl"))
    ReviewStore(folder).add([translation(number, "ur") for number in range(3)])
    review(folder, "--write", file, "--language", "ur", "--reviewer", "Amina", "--num-items", 2)
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len(rows) == 4
    for row in rows:
        row["decision"] = "accept"
    rows[1]["corrected"] = "تصویر میں سیب ہیں۔"
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    review(folder, "--import-file", file, "--reviewer", "Amina")
    printed = capsys.readouterr().out
    assert "refused row 1, 2" in printed
    assert "1 refused, 1 saved" in printed
    review(folder, "--approved", approved)
    (row,) = [json.loads(line) for line in approved.read_text("utf-8").splitlines()]
    assert row["language"] == "ur"
    assert row["conversations"][1]["value"] == "تصویر میں 3 سیب ہیں۔"
    with pytest.raises(DataError, match="nothing waits"):
        review(folder, "--write", file, "--language", "bn", "--reviewer", "Amina")


def test_a_sample_of_a_job_is_added(tmp_path, translation, review, capsys):
    results = tmp_path / "results.jsonl"
    made = [translation(number, "bn", texts=("ক?", "৩")) for number in range(6)]
    again = [translation(number, "bn") for number in range(6)]
    lines = [json.dumps(to_row(one), ensure_ascii=False) for one in (*made, *again)]
    results.write_text("\n".join(lines), "utf-8")
    for message in ("4 of 4 translations are new", "0 of 4 translations are new"):
        review(tmp_path / "review", "--draw", results, "--sample.per-language", 4)
        assert message in capsys.readouterr().out
    items = ReviewStore(tmp_path / "review").items()
    assert {item.translated.texts for item in items} == {again[0].texts}


@pytest.mark.parametrize(
    "asked", [["--approved", "good.jsonl"], ["--write", "a.csv", "--reviewer", "Amina"]]
)
def test_a_folder_without_a_review_is_told(tmp_path, review, asked):
    """Regression: of a misspelled folder no translation was approved, which was no error."""
    with pytest.raises(DataError, match=f"no review in this folder: {tmp_path / 'reveiw'}"):
        review(tmp_path / "reveiw", *asked)
    assert not list(tmp_path.iterdir())


def test_a_file_of_other_rows_is_told_with_its_line(tmp_path, translation, review):
    results = tmp_path / "results.jsonl"
    results.write_text(json.dumps(to_row(translation(0, "bn"))) + '\n{"id": "1"}\n', "utf-8")
    with pytest.raises(DataError, match=f"no translation: line 2 of {results}: 'source'"):
        review(tmp_path / "review", "--draw", results)


def test_what_contradicts_itself_is_told(tmp_path, review):
    with pytest.raises(ConfigError, match=r"3 faults.*different things.*reviewer is empty.*'xx'"):
        review(tmp_path, "--write", "a.csv", "--import-file", "b.csv", "--language", "xx")
