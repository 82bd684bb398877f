"""Rows are found by any of their names, and shown wherever the build left them."""

import json
from pathlib import Path

import pytest

from palo.corpus.report.shards import Dropped
from palo.corpus.report.show import Inspector, lines_of
from palo.errors import DataError, StorageError


def printed(items):
    return "\n".join(lines_of(items))


@pytest.mark.parametrize("name", ["made/1@100", "made/1@100/0", "made@100", "1"])
def test_a_kept_row_is_found_with_its_sample(inspected, name):
    items, lines = inspected.row(name)
    text = "\n".join(lines)
    assert len(items) == 2
    assert text.startswith("made/1@100  ur")
    assert "made/1@100/0  ur" in text
    assert text.count("سرخ دائرہ") == 2


@pytest.mark.parametrize("name", ["made@400", "4"])
def test_a_dropped_row_says_where_and_why(inspected, name):
    items, lines = inspected.row(name)
    assert [type(item) for item in items] == [Dropped]
    assert lines[0] == "made@400  ur  left out at parse: last turn has no answer"
    assert "at 400 of" in lines[1]


def test_a_record_that_is_in_no_sample_was_not_chosen(inspected):
    next((inspected.folder / "samples" / "made").iterdir()).unlink()
    (inspected.folder / "manifest.json").unlink()
    _, lines = Inspector(inspected.folder).row("made@100")
    assert lines[-1].strip() == "It is in no sample: the mixture didn't choose it."


@pytest.mark.parametrize(
    ("name", "near"), [("made/1@101", "made/1@100"), ("mode/2@200", "made/2@200"), ("99", "made/")]
)
def test_an_unknown_name_gets_the_nearest(inspected, name, near):
    with pytest.raises(DataError, match=f"Did you mean {near}"):
        inspected.row(name)


def test_every_kind_of_shard_can_be_read(inspected):
    folder = inspected.folder
    name = f"{0:018d}.parquet"
    samples = printed(inspected.shard(folder / "samples" / "made" / name, 2))
    assert "made/0@0/0" in samples
    assert "made/2@200" not in samples
    records = printed(inspected.shard(folder / "records" / "made" / name, 9, "ja"))
    assert "assistant: 赤い円が一つあります。" in records
    assert "made/0@0" not in records
    dropped = printed(inspected.shard(folder / "quarantine/parse/made" / f"{300:018d}.parquet", 9))
    assert "left out at parse: not JSON: Expecting value" in dropped
    assert "\x1b" not in records.replace("\x1b[2m", "").replace("\x1b[32m", "")


def test_a_shard_may_be_named_from_within_the_corpus(inspected, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert inspected.shard(Path(f"samples/made/{0:018d}.parquet"), 1)
    with pytest.raises(DataError, match="there is no shard"):
        inspected.shard(Path("samples/made/1.parquet"), 1)
    with pytest.raises(DataError, match="is no shard of a corpus"):
        inspected.shard(Path("image_table.parquet"), 1)


def test_samples_of_a_language_are_the_same_each_time(inspected):
    once, again = inspected.of_language("ur", 3, seed=1), inspected.of_language("ur", 3, seed=1)
    assert [item.sample.sample_id for item in once] == ["made/1@100/0"]
    assert printed(once) == printed(again)
    with pytest.raises(DataError, match="It has en, ja, ur"):
        inspected.of_language("hi", 3, seed=1)


def test_sample_numbers_out_of_range_are_told(inspected):
    assert inspected.sample(2)[0].sample.language == "ja"
    with pytest.raises(DataError, match="0 to 2"):
        inspected.sample(3)


def test_the_account_lists_steps_languages_and_examples(inspected):
    text = inspected.account(1)
    assert "near duplicate" in text
    assert "1 nearly a duplicate (en 1)" in text
    assert "made@500" in text
    assert "\x1b" not in text


def test_a_build_that_stopped_can_be_looked_into(inspected):
    (inspected.folder / "manifest.json").unlink()
    text = Inspector(inspected.folder).account(1)
    assert "is not finished" in text
    assert "1 not JSON (unknown 1)" in text


def test_a_page_shows_the_same_rows(inspected):
    items, _ = inspected.row("made@0")
    page = inspected.page("made@0", items)
    assert page.count("<article") == 2
    assert page.count("<img") == 1
    assert "<script" not in page


def test_a_wrong_folder_gets_the_nearest_corpus(inspected):
    folder = inspected.folder
    with pytest.raises(DataError, match=f"Did you mean {folder}"):
        Inspector(folder.parent)
    with pytest.raises(DataError, match=f"Did you mean {folder}"):
        Inspector(folder.parent / "corpsu")


def test_a_tokenizer_that_was_moved_is_asked_for(inspected):
    was = Path(inspected.corpus.manifest.tokenizer)
    now = was.rename(was.with_name("moved"))
    with pytest.raises(
        StorageError, match=rf"where it was: {was}\. .*name its folder: --tokenizer"
    ):
        Inspector(inspected.folder).sample(0)
    assert Inspector(inspected.folder, now).sample(0)
    with pytest.raises(StorageError, match=f"no tokenizer in this folder: {was}"):
        Inspector(inspected.folder, was).sample(0)
    now.rename(was)


def test_the_export_can_be_read_as_a_source(inspected, tmp_path):
    target = tmp_path / "repaired.jsonl"
    assert inspected.export(target, (), ()) == 3
    raw, unanswered, near = map(json.loads, target.read_text(encoding="utf-8").splitlines()[::-1])
    raw, unanswered, near = sorted(
        (raw, unanswered, near), key=lambda row: row["quarantine"]["offset"]
    )
    assert raw["raw"].startswith('{"id": 3')
    assert raw["quarantine"]["reason"] == "not JSON"
    assert unanswered["id"] == 4
    assert unanswered["quarantine"]["step"] == "parse"
    assert near["id"] == "5"
    assert near["image"] == "1.png"
    assert inspected.export(target, ("not JSON",), ()) == 1
    assert inspected.export(target, (), ("ur",)) == 1
