import hashlib
import json

import pytest

from palo import languages
from palo.data.records import Origin, Record, parse_llava
from palo.errors import PaloError
from palo.serve.chat_page.chat import Chat
from palo.serve.chat_page.feedback import FeedbackBounds, FeedbackFolder

_PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "feedback"


@pytest.fixture
def talk(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(_PNG + name.encode())
    begun = (
        Chat()
        .with_question("اس میں کیا ہے؟", tmp_path / "a.png")
        .with_answer("دائرہ۔", "palo", "ur")
    )
    return begun.with_question("<image> کیا ہے؟", None).with_answer("نشان <image>۔", "palo", "ur")


def _rows(folder, name):
    path = folder / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _parsed(folder, row):
    origin = Origin(
        source="feedback", image_folder=str(folder / "images"), languages=languages.codes()
    )
    return parse_llava(row, origin)


def test_a_good_answer_becomes_a_record_with_its_image(folder, talk, tmp_path):
    FeedbackFolder(folder).keep(talk, 1, "ur", "good")
    (row,) = _rows(folder, "good")
    record = _parsed(folder, row)
    assert isinstance(record, Record)
    assert (record.language, len(record.turns), record.turns[0].num_images) == ("ur", 2, 1)
    assert record.turns[0].text == "اس میں کیا ہے؟"
    data = (tmp_path / "a.png").read_bytes()
    assert record.image == f"{folder}/images/{hashlib.sha256(data).hexdigest()}.png"
    assert (folder / "images" / row["image"]).read_bytes() == data
    assert row["model"] == "palo"


def test_the_mark_of_an_image_in_somebodys_words_stays_words(folder, talk):
    FeedbackFolder(folder).keep(talk, 3, "ur", "bad")
    record = _parsed(folder, *_rows(folder, "bad"))
    assert isinstance(record, Record)
    assert [turn.num_images for turn in record.turns] == [1, 0, 0, 0]
    assert record.turns[2].text == "< image > کیا ہے؟"


def test_another_opinion_takes_the_place_of_the_first_and_can_be_taken_back(folder, talk):
    feedback = FeedbackFolder(folder)
    feedback.keep(talk, 1, "ur", "good")
    feedback.keep(talk, 3, "ur", "good")
    feedback.keep(talk, 1, "ur", "bad")
    assert (len(_rows(folder, "good")), len(_rows(folder, "bad"))) == (1, 1)
    feedback.keep(talk, 1, "ur", "bad")
    assert len(_rows(folder, "bad")) == 1
    feedback.keep(talk, 1, "ur", None)
    assert _rows(folder, "bad") == []


def test_of_two_images_the_last_one_makes_the_record(folder, talk, tmp_path):
    longer = talk.with_question("اور یہ؟", tmp_path / "b.png").with_answer("مربع۔", "palo", "ur")
    FeedbackFolder(folder).keep(longer, 5, "ur", "good")
    record = _parsed(folder, *_rows(folder, "good"))
    assert isinstance(record, Record)
    assert [turn.text for turn in record.turns] == ["اور یہ؟", "مربع۔"]


def test_a_talk_without_an_image_is_a_record_of_text(folder):
    FeedbackFolder(folder).keep(
        Chat().with_question("?", None).with_answer("!", "m", None), 1, "en", "good"
    )
    record = _parsed(folder, *_rows(folder, "good"))
    assert isinstance(record, Record)
    assert record.image is None


def test_a_folder_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    talk = Chat().with_question("?", None).with_answer("!", "m", None)
    with pytest.raises(PaloError):
        FeedbackFolder(tmp_path / "file").keep(talk, 1, "en", "good")


def test_ratings_go_to_a_store_and_change_there(bucket, talk, tmp_path):
    place = bucket / "feedback"
    kept = FeedbackFolder(place)
    kept.keep(talk, 1, "ur", "good")
    kept.keep(talk, 3, "ur", "good")
    kept.keep(talk, 3, "ur", "good")  # the same again
    rows = [json.loads(line) for line in (place / "good.jsonl").read_text().splitlines()]
    assert [len(row["conversations"]) for row in rows] == [2, 4]
    image = place / "images" / rows[0]["image"]
    assert image.read_bytes() == (tmp_path / "a.png").read_bytes()
    FeedbackFolder(place).keep(talk, 1, "ur", "bad")
    assert len((place / "good.jsonl").read_text().splitlines()) == 1
    (bad,) = (place / "bad.jsonl").read_text().splitlines()
    assert json.loads(bad)["id"] == rows[0]["id"]
    kept.keep(talk, 1, "ur", None)
    assert (place / "bad.jsonl").read_text() == ""


def test_a_store_takes_no_more_ratings_than_its_bounds(bucket, talk):
    kept = FeedbackFolder(bucket / "feedback", FeedbackBounds(max_rows=1))
    kept.keep(talk, 1, "ur", "good")
    with pytest.raises(PaloError, match="no more room for feedback: 1 rows"):
        kept.keep(talk, 3, "ur", "good")
    full = FeedbackFolder(bucket / "feedback", FeedbackBounds(max_bytes=10))
    with pytest.raises(PaloError, match="no more room for feedback: 10 bytes"):
        full.keep(talk, 3, "ur", "good")
