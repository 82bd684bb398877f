from pathlib import Path

import pytest

from palo.errors import ImageError
from palo.serve.chat_page.chat import Chat, ChatBounds
from palo.webui.texts import page_texts

_WORDS = page_texts("bn")
_PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(_PNG)
    return path


@pytest.fixture
def talk(image):
    begun = Chat().with_question("এটি কী?", image).with_answer("একটি বৃত্ত।", "palo", "bn")
    return begun.with_question("রং?", None).with_answer("লাল।", "palo", "bn")


def test_an_image_and_a_text_are_one_message_and_only_answers_can_be_rated(talk):
    messages = list(talk.request_messages())
    assert [(message.role, len(message.images)) for message in messages] == [
        ("user", 1),
        ("assistant", 0),
        ("user", 0),
        ("assistant", 0),
    ]
    assert [talk.is_rateable(position) for position in range(-1, 5)] == [
        False, False, True, False, True, False,
    ]  # fmt: skip


def test_answering_again_drops_the_last_answer_alone(talk):
    again = talk.without_answer()
    assert (again.is_open, len(again.messages)) == (True, 3)
    assert again.without_answer() == again
    assert Chat().without_answer() == Chat()


def test_a_question_in_other_words_drops_what_came_after_it_and_keeps_its_image(talk, image):
    edited = talk.edited(0, "কয়টি?")
    (question,) = edited.messages
    assert (question.text, question.image, edited.is_open) == ("কয়টি?", image, True)
    assert len(talk.edited(2, "রং কী?").messages) == 3
    assert [talk.edited(position, "লাল?") for position in (1, 3, 4, -1)] == [None] * 4


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        (ChatBounds(), None),
        (ChatBounds(max_question_characters=3), "body_too_large"),
        (ChatBounds(max_questions=2), "context_length_exceeded"),
        (ChatBounds(max_characters=20), "context_length_exceeded"),
    ],
)
def test_a_talk_ends_where_it_is_too_long(talk, bounds, code):
    assert bounds.problem(talk.with_question("আর কী?", None)) == code
    assert bounds.problem(Chat()) is None


def test_an_edit_keeps_what_each_model_had_said_before_it(talk):
    edited = talk.edited(2, "রং কী?")
    other = Chat().with_question("এটি কী?", None).with_answer("একটি তারা।", "other", "bn")
    beside = (
        other.with_question("রং?", None).with_answer("নীল।", "other", "bn").with_edit_of(edited)
    )
    assert [said.text for said in beside.messages] == ["এটি কী?", "একটি তারা।", "রং কী?"]
    assert Chat().with_question("রং?", None).with_edit_of(edited) == edited
    assert Chat().with_edit_of(edited) == edited


def test_a_question_without_an_answer_gives_way_to_the_next(talk):
    assert talk.with_question("ক?", None).with_question("খ?", None) == talk.with_question(
        "খ?", None
    )


def test_an_answer_without_words_is_none(talk):
    assert talk.with_question("ক?", None).with_answer("", "palo", None) == talk.with_question(
        "ক?", None
    )


def test_a_file_that_is_no_image_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(ImageError):
        list(Chat().with_question("?", tmp_path / "a.png").request_messages())


def test_a_talk_can_be_kept_as_a_file(talk):
    written = talk.to_markdown(_WORDS)
    assert written.startswith("**আপনি**\n\n[ছবি]\n\nএটি কী?\n\n---\n\n**palo**\n\nএকটি বৃত্ত।")
    assert written.endswith("লাল।\n")
    assert Chat().with_question("x", Path("none.png")).to_markdown(_WORDS).count("[ছবি]") == 1
