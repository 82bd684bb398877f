"""What translators learn from, and how their gain is measured and told."""

import json
from dataclasses import replace

import pytest

from palo.errors import DataError
from palo.metrics.chrf import chrf
from palo.text.messages import Turn
from palo.translate.learning.measure import measure, num_edits
from palo.translate.learning.report import Gain, as_table, write_gain
from palo.translate.learning.training_set import (
    CHAT,
    TranslationExample,
    chat_row,
    divide,
    examples_of,
    record_row,
    write_training_set,
)
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.store import ReviewStore

_RIGHT = ("تصویر میں کتنے سیب ہیں؟", "تصویر میں 3 سیب ہیں۔")


@pytest.fixture
def reviewed(tmp_path, translation):
    """A review with three corrected, one rejected and one open translation into Urdu."""
    store = ReviewStore(tmp_path / "review")
    drafts = [("تصویر میں سیب ؟", "تصویر میں 4 سیب ہیں۔")] * 5
    store.add([translation(n, "ur", texts=texts) for n, texts in enumerate(drafts)])
    for number, item in enumerate(store.items()[:4]):
        verdict = ReviewDecision(
            key=item.key,
            edition=item.edition,
            reviewer="Amina",
            outcome="accept" if number < 3 else "reject",
            texts=_RIGHT,
            tags=("agreement",),
        )
        store.save(verdict, seen_version=0)
    return store


def test_what_was_approved_is_learnt(reviewed):
    examples = examples_of(reviewed.items())
    assert [one.key for one in examples[:2]] == ["photos/0@1>ur#1", "photos/0@1>ur#2"]
    assert len(examples) == 6
    assert examples[1].draft == "تصویر میں 4 سیب ہیں۔"
    assert (examples[1].wanted, examples[1].tags) == (_RIGHT[1], ("agreement",))


def _asking_the_same(made):
    turns = (Turn("user", "What is it?"), *made.source.turns[1:])
    return replace(made, source=replace(made.source, turns=turns))


def test_a_conversation_is_on_one_side_in_all_its_languages(translation):
    examples = [
        TranslationExample(translated=translation(number, code), turn=turn, wanted="…")
        for number in range(200)
        for code in ("ar", "ur", "hi", "bn")
        for turn in (0, 1)
    ]
    learnt, held_out = divide(examples, 0.2)
    assert len(learnt) + len(held_out) == len(examples)
    assert 0.1 < len(held_out) / len(examples) < 0.3

    def sources(part):
        return {one.translated.source.record_id for one in part}

    assert not sources(learnt) & sources(held_out)
    assert divide(examples, 0.2, seed=1)[1] != held_out
    again = [
        TranslationExample(translated=_asking_the_same(translation(number)), turn=0, wanted="…")
        for number in range(99)
    ]
    learnt, held_out = divide(again, 0.2)
    assert learnt
    assert held_out == []
    with_image = [
        replace(one, translated=translation(n, "ar", image="one.jpg"))
        for n, one in enumerate(examples[:20])
    ]
    assert 20 in map(len, divide(with_image, 0.5))


def test_both_formats_hold_the_approved_words(reviewed, tmp_path):
    made = write_training_set(tmp_path / "set", examples_of(reviewed.items()), held_out_share=0.5)
    rows = [json.loads(line) for line in made.records.read_text("utf-8").splitlines()]
    assert len(rows) == len(made.learnt)
    assert rows[0]["conversations"][0]["value"].startswith("Urdu: How many apples are")
    assert rows[0]["conversations"][1]["value"] == _RIGHT[0]
    chat = (made.folder / "held_out" / CHAT).read_text("utf-8").splitlines()
    messages = json.loads(chat[1])["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert "Urdu" in messages[0]["content"]
    assert "There are 3 apples" in messages[1]["content"]
    assert messages[2]["content"] == _RIGHT[1]
    assert made.languages == ["ur"]


def test_marks_stand_for_locks_in_question_and_answer(translation):
    made = translation(language="ur")
    turns = (made.source.turns[0], replace(made.source.turns[1], text="See https://a.org now."))
    made = replace(made, source=replace(made.source, turns=turns))
    example = TranslationExample(translated=made, turn=1, wanted="اب https://a.org دیکھیے۔")
    *_, asked, answer = chat_row(example)["messages"]
    assert "See ⟦1⟧ now." in asked["content"]
    assert answer["content"] == "اب ⟦1⟧ دیکھیے۔"
    assert record_row(example)["conversations"][1]["value"] == example.wanted


def test_too_little_to_learn_is_told(reviewed, tmp_path):
    with pytest.raises(DataError, match="0 held out"):
        write_training_set(tmp_path, examples_of(reviewed.items()), held_out_share=0.0)


@pytest.mark.parametrize(
    ("text", "wanted", "language", "edits"),
    [
        ("تصویر میں 4 سیب ہیں۔", "تصویر میں 3 سیب ہیں۔", "ur", (1, 6)),
        ("", "एक दो।", "hi", (3, 3)),
        ("图里有三个苹果", "图里有两个苹果", "zh", (1, 7)),
        ("la la casa", "la casa", "es", (1, 2)),
    ],
)
def test_edits_are_counted_in_words_or_characters(text, wanted, language, edits):
    assert num_edits(text, wanted, language) == edits


def test_the_gain_is_measured_and_told(reviewed, tmp_path):
    examples = [one for one in examples_of(reviewed.items()) if one.turn == 1]
    gain = Gain(
        examples=examples,
        before=[one.draft for one in examples],
        after=[one.wanted for one in examples],
    )
    before, after = gain.measures()
    assert list(before) == ["ur", "all"]
    assert (before["ur"].passed, after["ur"].passed) == (0, 1)
    assert before["ur"].faults_per_100_texts == {"protected_spans": 100}
    assert before["all"].edits_per_100_words == pytest.approx(100 / 6)
    assert before["ur"].chrf == pytest.approx(chrf(examples[0].draft, [_RIGHT[1]]))
    assert after["all"].chrf == 100
    told = write_gain(tmp_path, gain)
    assert told == as_table(before, after)
    assert "| ur | 3 |" in told
    assert "| protected_spans | 100.0 | 0.0 |" in told
    assert (tmp_path / "gain.png").read_bytes()[:4] == b"\x89PNG"
    page = (tmp_path / "examples.html").read_text("utf-8")
    assert 'dir="rtl"' in page
    assert "<mark>4</mark>" in page
    assert json.loads((tmp_path / "gain.json").read_text("utf-8"))["after"]["ur"]["passed"] == 1


def test_nothing_to_measure_measures_nothing():
    assert measure([], []) == {}
