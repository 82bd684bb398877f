"""Translations come in, decisions are saved, and several people overwrite nothing."""

import json
import multiprocessing
import threading
from dataclasses import replace

import pytest

from palo.errors import DataError
from palo.storage import path_of
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.store import DECISIONS, ITEMS, ReviewStore, StaleError
from palo.translate.translated import from_row, to_row


def _decision(store, key, reviewer="Amina", **changes):
    item = store.find(key)
    said = ReviewDecision(
        key=key,
        edition=item.edition,
        reviewer=reviewer,
        outcome="accept",
        texts=item.translated.texts,
    )
    return replace(said, **changes)


def test_a_translation_survives_its_file(translation):
    made = translation(language="ur", doubt=0.4, image="photos/1.jpg")
    assert from_row(json.loads(json.dumps(to_row(made), ensure_ascii=False))) == made


@pytest.mark.parametrize("row", [None, {}, {"source": {}}, {"source": [], "texts": 3}])
def test_what_is_no_translation_is_told(row):
    with pytest.raises(DataError, match="no translation"):
        from_row(row)


def test_what_was_added_and_said_is_there_for_the_next_one(tmp_path, translation):
    store = ReviewStore(tmp_path)
    rows = [translation(number, code) for number, code in enumerate(("ar", "ur", "hi", "bn"))]
    assert store.add(rows) == 4
    assert store.add(rows) == 0
    key = rows[1].key
    texts = ("تصویر میں کتنے سیب ہیں؟", "تصویر میں تین سیب ہیں۔")
    store.save(_decision(store, key, texts=texts, tags=("term",)), seen_version=0)
    again = ReviewStore(tmp_path)
    assert again.languages() == {"ar", "ur", "hi", "bn"}
    assert [item.state for item in again.items()] == ["open", "accepted", "open", "open"]
    (approved,) = again.results()
    assert (approved.texts, approved.reviewer) == (texts, "Amina")
    assert approved.record.gates == {"length": "accept", "reviewer": "Amina"}


def test_who_has_not_seen_the_others_verdict_overwrites_nothing(tmp_path, translation):
    first, second = ReviewStore(tmp_path), ReviewStore(tmp_path)
    first.add([translation()])
    key = translation().key
    second.refresh()
    first.save(_decision(first, key), seen_version=0)
    mine = _decision(second, key, "Bilal", outcome="reject", tags=("meaning",))
    with pytest.raises(StaleError, match="Amina"):
        second.save(mine, seen_version=0)
    second.save(mine, seen_version=1)
    first.refresh()
    assert first.find(key).state == "disputed"
    first.save(_decision(first, key, "Chitra"), seen_version=2)
    assert first.find(key).state == "accepted"
    assert [decision.reviewer for decision in first.find(key).decisions] == [
        "Amina", "Bilal", "Chitra",
    ]  # fmt: skip


def test_verdicts_about_an_earlier_translation_do_not_count(tmp_path, translation):
    store = ReviewStore(tmp_path)
    store.add([translation()])
    said = _decision(store, translation().key)
    store.save(said, seen_version=0)
    store.add([translation(texts=("كم؟", "3"))])
    assert store.find(said.key).state == "open"
    with pytest.raises(StaleError, match="anew"):
        store.save(said, seen_version=0)
    store.add([translation()])
    assert ReviewStore(tmp_path).find(said.key).decisions == store.find(said.key).decisions != []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": ("كم؟",)}, "number of turns"),
        ({"texts": ("كم؟", " ")}, "turn 2: the text is empty"),
        ({"texts": ("كم؟", "3 تفا\ufffdات")}, "turn 2: some characters"),
        ({"texts": ("كم؟", "3" * 100_001)}, "too long"),
        ({"reviewer": " "}, "reviewer"),
        ({"outcome": "maybe"}, "accept or reject"),
        ({"tags": ("ugly",)}, "no such kind"),
        ({"note": "\udc80"}, "in the note"),
    ],
)
def test_what_cannot_be_right_is_not_saved(tmp_path, translation, changes, message):
    store = ReviewStore(tmp_path)
    store.add([translation()])
    with pytest.raises(DataError, match=message):
        store.save(_decision(store, translation().key, **changes), seen_version=0)
    assert not (tmp_path / DECISIONS).read_bytes()


def _add_many(folder, language, rows):
    store = ReviewStore(folder)
    for row in rows:
        store.add([row])
        store.save(_decision(store, row.key, language), seen_version=0)


def test_several_processes_and_threads_write_at_once(tmp_path, translation):
    codes = ("ar", "ur", "hi", "bn")
    rows = {code: [translation(number, code) for number in range(20)] for code in codes}
    context = multiprocessing.get_context("fork")
    workers = [
        (context.Process if code in ("ar", "ur") else threading.Thread)(
            target=_add_many, args=(tmp_path, code, rows[code])
        )
        for code in codes
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store = ReviewStore(tmp_path)
    assert {item.key for item in store.items()} == {row.key for code in codes for row in rows[code]}
    assert {item.state for item in store.items()} == {"accepted"}


def test_a_line_that_a_dying_process_left_torn_harms_nobody(tmp_path, translation):
    store = ReviewStore(tmp_path)
    store.add([translation(0), translation(1)])
    whole = (tmp_path / ITEMS).read_bytes()
    reader = ReviewStore(tmp_path)
    with (tmp_path / ITEMS).open("ab") as file:
        file.write(whole[: len(whole) // 3])
    reader.refresh()
    assert len(ReviewStore(tmp_path).items()) == len(reader.items()) == 2
    store.add([translation(2)])
    reader.refresh()
    assert len(ReviewStore(tmp_path).items()) == len(reader.items()) == 3


def test_a_line_changed_by_hand_is_told(tmp_path, translation):
    ReviewStore(tmp_path).add([translation(0)])
    with (tmp_path / ITEMS).open("ab") as file:
        file.write(b"oops\n")
    with pytest.raises(DataError, match="line 2"):
        ReviewStore(tmp_path)


def test_a_folder_on_s3_is_refused():
    with pytest.raises(DataError, match="S3"):
        ReviewStore(path_of("s3://bucket/review"))


def test_a_review_of_an_earlier_version_is_refused(tmp_path):
    (tmp_path / "verdicts.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="an earlier version wrote this review"):
        ReviewStore(tmp_path)
