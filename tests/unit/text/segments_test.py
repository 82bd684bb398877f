import dataclasses

import pytest

from palo.text.messages import Turn
from palo.text.segments import IMAGE_SENTINEL, SegmentEncoder, segment_encoder
from palo.text.templates import TEMPLATES
from palo.text.tokenizer_parts import ids_of

VICUNA = TEMPLATES["vicuna_v1"]


class Counting:
    """A tokenizer that counts what it is asked for."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.texts = []

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def encode(self, text):
        self.texts.append(text)
        return self.tokenizer.encode(text)


def test_constant_text_is_encoded_once(tokenizer):
    counting = Counting(tokenizer)
    encoder = SegmentEncoder(VICUNA, counting)
    for index in range(5):
        encoder.head(None)
        encoder.round(Turn("user", f"q{index}", num_images=1), Turn("assistant", f"a{index}"))
    constant = [text for text in counting.texts if "q" not in text and "a0" not in text]
    assert sum("curious" in text for text in counting.texts) == 1
    assert sum(text.lstrip().startswith("USER:") for text in constant) == 1


def test_ids_that_are_kept_are_never_changed(tokenizer):
    encoder = SegmentEncoder(VICUNA, tokenizer)
    first = [encoder.question("x", 1), encoder.answer("y"), encoder.head(None)[:]]
    for _ in range(3):
        encoder.question("x", 1).append(7)
        encoder.answer("y").append(7)
    assert [encoder.question("x", 1), encoder.answer("y"), encoder.head(None)] == first


def test_a_question_is_the_chunk_that_llava_tokenizes(pieces, sentences):
    encoder = SegmentEncoder(VICUNA, pieces)
    for text in [*sentences.values(), " a  b ", "\n", "   "]:
        assert encoder.question(text, 0) == pieces.encode(f"USER: {text} ASSISTANT:")
        whole = pieces.encode(f"USER: {text} ASSISTANT: {text}")
        assert list(encoder.question(text, 0) + encoder.answer(text)) == [*whole, pieces.eos_id]


@pytest.mark.parametrize("text", ["a boat", "  a boat\n", "\u3000a boat\u00a0"])
def test_white_space_around_the_words_beside_an_image_goes(tokenizer, text):
    encoder = SegmentEncoder(VICUNA, tokenizer)
    assert encoder.question(text, 1) == encoder.question("a boat", 1)
    assert encoder.question(text, 0) == SegmentEncoder(VICUNA, tokenizer).question(text, 0)


@pytest.mark.parametrize("num_images", [0, 1, 2, 5])
def test_one_sentinel_per_image(tokenizer, num_images):
    ids = SegmentEncoder(VICUNA, tokenizer).question("a boat", num_images)
    assert ids.count(IMAGE_SENTINEL) == num_images


def test_counts_of_a_round_leave_sentinels_out(tokenizer):
    encoder = SegmentEncoder(VICUNA, tokenizer)
    part = encoder.round(Turn("user", "a", num_images=2), Turn("assistant", "b"))
    assert part.num_text_tokens == len(part.question) + len(part.answer) - 2
    more = encoder.with_question(part, "a", 3)
    assert more.num_text_tokens == part.num_text_tokens
    assert more.question.count(IMAGE_SENTINEL) == 3


def test_an_empty_answer_is_not_trained(tokenizer):
    encoder = SegmentEncoder(VICUNA, tokenizer)
    assert not encoder.round(Turn("user", "a"), Turn("assistant", "")).trained
    assert encoder.round(Turn("user", "a"), Turn("assistant", " ")).trained


def test_system_text_of_the_conversation_and_none(tokenizer):
    encoder = SegmentEncoder(VICUNA, tokenizer)
    bos = ids_of([tokenizer.bos_id])
    assert encoder.head("") == bos
    assert encoder.head("Be short.") == bos + tokenizer.encode("Be short.")
    assert encoder.head(None) == bos + tokenizer.encode(VICUNA.system_text)


def test_a_tokenizer_without_bos_begins_with_text(json_folder, tmp_path):
    from palo.text.tokenizer import load_tokenizer

    (tmp_path / "tokenizer.json").write_bytes((json_folder / "tokenizer.json").read_bytes())
    tokenizer = load_tokenizer(tmp_path)
    assert SegmentEncoder(VICUNA, tokenizer).head("Hi") == tokenizer.encode("Hi")


def test_the_encoder_is_kept_for_template_and_tokenizer(pieces, byte_pairs):
    assert segment_encoder(VICUNA, pieces) is segment_encoder(VICUNA, pieces)
    assert segment_encoder(VICUNA, pieces) is not segment_encoder(VICUNA, byte_pairs)
    other = dataclasses.replace(VICUNA, system_text="Be short.")
    assert segment_encoder(other, pieces).head(None) != segment_encoder(VICUNA, pieces).head(None)
