"""What a browser keeps comes back to its visitor alone, and nothing of it is trusted."""

import json
from dataclasses import replace

import pytest

from palo.serve.chat_page.chat import Chat, ChatBounds
from palo.serve.chat_page.history import KeptChats


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    return path


@pytest.fixture
def chats(image):
    first = Chat().with_question("এটি কী?", image).with_answer("একটি বৃত্ত।", "palo", "bn")
    return first, Chat().with_question("?", None)


def _owns(_path):
    return True


def test_a_reload_brings_everything_back(chats):
    kept = KeptChats(ChatBounds())
    assert kept.read(kept.write(chats, "amina"), "amina", _owns) == chats


def test_another_visitor_of_the_same_browser_gets_nothing(chats):
    kept = KeptChats(ChatBounds())
    assert kept.read(kept.write(chats, "amina"), "bilal", _owns) is None
    assert kept.tag("amina") != kept.tag("bilal")
    assert "amina" not in kept.tag("amina")


@pytest.mark.parametrize("is_there", [True, False])
def test_an_image_that_is_gone_or_not_theirs_is_told(chats, image, is_there):
    kept = KeptChats(ChatBounds())
    told = kept.write(chats, "a")
    if not is_there:
        image.unlink()
    first, _ = kept.read(told, "a", lambda _: not is_there)
    assert (first.messages[0].image, first.messages[0].is_image_gone) == (None, True)
    again, _ = kept.read(kept.write((first, Chat()), "a"), "a", _owns)
    assert again == first


def test_after_a_restart_texts_come_back_but_answers_cant_be_rated(chats):
    told = KeptChats(ChatBounds()).write(chats, "a")
    first, _ = KeptChats(ChatBounds()).read(told, "a", _owns)
    assert [part.text for part in first.messages] == [part.text for part in chats[0].messages]
    assert chats[0].is_rateable(1)
    assert not first.is_rateable(1)
    assert replace(first.messages[1], is_unproven=False) == chats[0].messages[1]


@pytest.mark.parametrize(
    "change",
    [
        {"role": "system"}, {"text": 7}, {"model": None}, {"model": "x" * 201},
        {"role": "assistant"}, {"text": "x" * 20_001}, None, [],
    ],
)  # fmt: skip
def test_what_cant_be_a_chat_is_none(chats, change):
    kept = KeptChats(ChatBounds(max_characters=20_000))
    told = json.loads(kept.write(chats, "a"))
    rows = json.loads(told["chats"])
    rows[0][0] = {**rows[0][0], **change} if isinstance(change, dict) else change
    told["chats"] = json.dumps(rows)
    assert kept.read(json.dumps(told), "a", _owns) is None


@pytest.mark.parametrize(
    "told", [None, 7, "", "{", "[]", "{}", '{"tag": 1}', "[" * 3000, "x" * 700_000, "null"]
)
def test_what_isnt_kept_is_none(told):
    assert KeptChats(ChatBounds()).read(told, "a", _owns) is None
