import unicodedata

import pytest

from palo.text.fitting import cut_round, whole_characters
from palo.text.messages import Turn
from palo.text.segments import IMAGE_SENTINEL, SegmentEncoder
from palo.text.templates import TEMPLATES

VICUNA = TEMPLATES["vicuna_v1"]


@pytest.fixture
def encoder(tokenizer):
    return SegmentEncoder(VICUNA, tokenizer)


def cut(encoder, question, answer, room, num_images=1):
    whole = encoder.round(Turn("user", question, num_images), Turn("assistant", answer))
    assert whole.num_text_tokens > room
    return whole, cut_round(encoder, whole, question, num_images, room)


def text_of(ids, tokenizer):
    return b"".join(tokenizer.token_bytes(i) for i in ids if i >= 0).decode()


def test_an_answer_loses_its_tail_and_its_end_token(encoder, sentences):
    for text in sentences.values():
        question_only = len(encoder.question("?", 1)) - 1
        whole, part = cut(encoder, "?", text * 5, question_only + 60)
        assert part.question == whole.question
        assert part.answer == whole.answer[: len(part.answer)]
        assert len(part.answer) > 56
        assert encoder.tokenizer.eos_id not in part.answer
        assert text_of(part.answer, encoder.tokenizer).strip() in text * 5
        assert part.num_text_tokens == len(part.question) + len(part.answer) - 1


def test_only_the_end_token_is_lost_when_all_words_fit(encoder):
    answer = "A small red boat lies beside the old stone bridge. " * 3
    room = len(encoder.question("?", 0)) + len(encoder.answer(answer)) - 1
    whole, part = cut(encoder, "?", answer, room, 0)
    assert part.answer == whole.answer[:-1]


def test_a_long_question_keeps_its_end_and_leaves_the_answer_half(encoder, sentences):
    for text in sentences.values():
        room = 120
        _, part = cut(encoder, text * 9, text * 9, room)
        assert part.num_text_tokens <= room
        assert len(part.answer) >= room // 2 - 3
        kept = text_of(part.question, encoder.tokenizer)
        words = kept[kept.index("\n") + 1 : kept.rindex(" ASSISTANT:")]
        assert words
        assert (text * 9).endswith(words)
        assert not unicodedata.category(words[0]).startswith("M")
        assert IMAGE_SENTINEL in part.question


def test_a_short_answer_to_a_long_question_stays_whole(encoder, sentences):
    for text in sentences.values():
        whole, part = cut(encoder, text * 9, "Yes.", 100)
        assert part.answer == whole.answer
        assert part.answer[-1] == encoder.tokenizer.eos_id
        assert 90 <= part.num_text_tokens <= 100


@pytest.mark.parametrize("num_images", [0, 1, 2])
def test_every_room_is_kept_and_leaves_a_label(encoder, sentences, num_images):
    smallest = len(encoder.question("", num_images)) - num_images
    for room in range(-2, 90):
        _, part = cut(encoder, sentences["bn"], sentences["hi"] * 3, room, num_images)
        if part is None:
            assert room <= smallest
        else:
            assert part.answer
            assert part.num_text_tokens <= room
            assert part.question.count(IMAGE_SENTINEL) == num_images


def test_an_empty_answer_has_nothing_to_keep(encoder):
    whole, part = cut(encoder, "What is it? " * 9, "", 40)
    assert not whole.trained
    assert part is None


@pytest.mark.parametrize("text", ["鼎", "é", "\u0980", "👩🏽‍🚀", "ab鼎", "鼎鼎鼎"])
def test_no_part_of_a_character_stays_at_the_end(tokenizer, text):
    ids = tokenizer.encode(text)
    for end in range(1, len(ids) + 1):
        kept = whole_characters(ids[:end], tokenizer)
        assert kept == ids[: len(kept)]
        raw = b"".join(map(tokenizer.token_bytes, kept))
        if len(kept) < end or raw.decode(errors="ignore"):
            assert text.encode().startswith(raw.removeprefix(b" " * tokenizer.dummy_prefix))
            raw.decode()


def test_a_lone_part_of_a_character_stays(tokenizer):
    ids = [i for i in tokenizer.encode("鼎") if tokenizer.token_bytes(i) != b" "][:1]
    assert len(tokenizer.token_bytes(ids[0])) < 3
    assert whole_characters(ids, tokenizer) == ids
    assert whole_characters([], tokenizer) == []
