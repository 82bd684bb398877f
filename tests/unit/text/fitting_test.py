import itertools

import pytest

from palo.text.encoding import IMAGE_SENTINEL, EncodingLimits, encode_conversation
from palo.text.messages import Conversation, Turn
from palo.text.segments import SegmentEncoder
from palo.text.templates import TEMPLATES

CHAT_TEMPLATES = ["vicuna_v1", "chatml"]
LIMITS = [1, 16, 60, 90, 120, 160, 240, 400, 5000]


class Counting:
    """A tokenizer that counts the characters it is given."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.num_characters = 0

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def encode(self, text):
        self.num_characters += len(text)
        return self.tokenizer.encode(text)


def encode(conversation, tokenizer, max_text_tokens, overflow="split", name="vicuna_v1"):
    limits = EncodingLimits(max_text_tokens=max_text_tokens, overflow=overflow)
    return encode_conversation(conversation, TEMPLATES[name], tokenizer, limits)


def texts_of(sentences, code, num_turns):
    return [f"{index} " + sentences[code] * (1 + index % 3) for index in range(num_turns)]


def answers_of(samples, tokenizer):
    return [
        tokenizer.decode(sample.input_ids[start:end]).strip()
        for sample in samples
        for start, end in sample.label_spans
    ]


@pytest.mark.parametrize("name", CHAT_TEMPLATES)
@pytest.mark.parametrize("overflow", ["split", "truncate"])
@pytest.mark.parametrize("max_text_tokens", LIMITS)
def test_every_sample_fits_and_has_labels(
    tokenizer, talk, sentences, name, overflow, max_text_tokens
):
    for code in sentences:
        for num_rounds in (1, 2, 5):
            conversation = talk(*texts_of(sentences, code, 2 * num_rounds), num_images=1)
            encoding = encode(conversation, tokenizer, max_text_tokens, overflow, name)
            assert len(encoding.samples) == 1 + encoding.num_split - encoding.num_dropped
            assert encoding.num_cut == sum(sample.truncated for sample in encoding.samples)
            for sample in encoding.samples:
                assert sample.num_text_tokens <= max_text_tokens
                assert sample.num_text_tokens == len(sample.input_ids) - 1
                assert sample.input_ids.count(IMAGE_SENTINEL) == 1
                assert sample.label_spans
                last = 0
                for start, end in sample.label_spans:
                    assert last < start < end <= len(sample.input_ids)
                    last = end


@pytest.mark.parametrize("name", CHAT_TEMPLATES)
@pytest.mark.parametrize("max_text_tokens", LIMITS)
def test_rounds_are_split_without_loss_or_repetition(
    tokenizer, talk, sentences, name, max_text_tokens
):
    for code in sentences:
        texts = texts_of(sentences, code, 12)
        encoding = encode(talk(*texts, num_images=1), tokenizer, max_text_tokens, name=name)
        if encoding.num_dropped:
            assert not encoding.samples
            continue
        ranges = [sample.rounds for sample in encoding.samples]
        assert ranges[0][0] == 0
        assert ranges[-1][1] == 6
        assert all(left[1] == right[0] for left, right in itertools.pairwise(ranges))
        for sample in encoding.samples:
            expected = texts[1::2][slice(*sample.rounds)]
            found = answers_of([sample], tokenizer)
            if sample.truncated:
                assert len(found) == len(expected) == 1
                assert expected[0].startswith(found[0])
            else:
                assert found == expected


@pytest.mark.parametrize("name", CHAT_TEMPLATES)
def test_a_part_is_a_conversation_of_its_own_with_the_image(tokenizer, talk, sentences, name):
    for code in sentences:
        texts = texts_of(sentences, code, 8)
        encoding = encode(talk(*texts, num_images=1, system="S"), tokenizer, 300, name=name)
        assert encoding.num_split
        for sample in encoding.samples:
            if sample.truncated:
                continue
            start, end = sample.rounds
            alone = talk(*texts[2 * start : 2 * end], num_images=1, system="S")
            (expected,) = encode(alone, tokenizer, 10_000, name=name).samples
            assert sample.input_ids == expected.input_ids
            assert sample.label_spans == expected.label_spans


def test_a_part_shows_the_images_so_far_and_no_later_ones(tokenizer, sentences):
    text = sentences["en"]
    turns = []
    for num_images in (0, 1, 0, 2, 0):
        turns += [Turn("user", text, num_images=num_images), Turn("assistant", text)]
    one_round = encode(Conversation(tuple(turns[:2])), tokenizer, 10_000).samples[0]
    encoding = encode(Conversation(tuple(turns)), tokenizer, one_round.num_text_tokens + 8)
    assert [sample.rounds for sample in encoding.samples] == [(i, i + 1) for i in range(5)]
    shown = [sample.input_ids.count(IMAGE_SENTINEL) for sample in encoding.samples]
    assert shown == [0, 1, 1, 3, 3]


def test_a_conversation_that_just_fits_stays_whole(tokenizer, talk, sentences):
    conversation = talk(*texts_of(sentences, "hi", 4), num_images=1)
    (whole,) = encode(conversation, tokenizer, 10_000, name="chatml").samples
    same = encode(conversation, tokenizer, whole.num_text_tokens, name="chatml")
    assert same.samples == (whole,)
    less = encode(conversation, tokenizer, whole.num_text_tokens - 1, name="chatml")
    assert (less.num_split, less.num_cut) == (1, 0)


def test_nothing_follows_an_answer_that_was_cut(tokenizer, talk, sentences):
    conversation = talk("a", sentences["bn"] * 9, "b", "c", "d", "e", num_images=1)
    encoding = encode(conversation, tokenizer, 240)
    assert [sample.rounds for sample in encoding.samples] == [(0, 1), (1, 3)]
    assert [sample.truncated for sample in encoding.samples] == [True, False]
    first, second = encoding.samples
    assert first.label_spans[-1][1] == len(first.input_ids)
    assert first.input_ids[-1] != tokenizer.eos_id
    assert second.input_ids.count(IMAGE_SENTINEL) == 1


def test_a_head_that_leaves_no_room_drops_the_conversation(tokenizer, talk):
    encoding = encode(talk("a", "b", "c", "d", system="long " * 99), tokenizer, 60)
    assert encoding.samples == ()
    assert encoding.num_dropped == encoding.num_split + 1 == 2


@pytest.mark.parametrize("overflow", ["split", "truncate"])
def test_empty_answers_alone_are_dropped(tokenizer, talk, overflow):
    encoding = encode(talk("a", "", "b", ""), tokenizer, 500, overflow)
    assert (encoding.samples, encoding.num_dropped) == ((), 1)


def test_an_empty_answer_among_others_is_read_but_not_trained(tokenizer, talk):
    (sample,) = encode(talk("a", "", "b", "yes"), tokenizer, 500).samples
    assert answers_of([sample], tokenizer) == ["yes"]
    assert sample.rounds == (0, 2)


def test_truncation_is_the_plain_beginning(tokenizer, talk, sentences):
    for code in sentences:
        conversation = talk(*texts_of(sentences, code, 6), num_images=1)
        (whole,) = encode(conversation, tokenizer, 10_000, "truncate").samples
        first_label = whole.label_spans[0][0]
        for limit in range(1, whole.num_text_tokens + 2, 23):
            encoding = encode(conversation, tokenizer, limit, "truncate")
            if limit < first_label:
                assert (encoding.samples, encoding.num_dropped) == ((), 1)
                continue
            (sample,) = encoding.samples
            assert sample.input_ids == whole.input_ids[: limit + 1]
            assert sample.truncated == (limit < whole.num_text_tokens)
            flags = [any(s <= i < e for s, e in whole.label_spans) for i in range(limit + 1)]
            kept = [any(s <= i < e for s, e in sample.label_spans) for i in range(limit + 1)]
            assert kept[: len(sample.input_ids)] == flags[: len(sample.input_ids)]


def test_a_truncated_caption_loses_its_end(tokenizer, talk, sentences):
    conversation = talk("x", sentences["en"] * 5, num_images=1)
    encoding = encode(conversation, tokenizer, 20, name="plain")
    (sample,) = encoding.samples
    assert encoding.num_cut == 1
    assert sample.num_text_tokens <= 20
    assert sample.label_spans == ((2, len(sample.input_ids)),)


def test_the_answer_is_cut_between_characters(tokenizer, talk):
    for length in range(60, 90):
        encoding = encode(talk("a", "鼎" * 99, system=""), tokenizer, length, name="chatml")
        (sample,) = encoding.samples
        ((start, end),) = sample.label_spans
        raw = b"".join(map(tokenizer.token_bytes, sample.input_ids[start:end]))
        assert set(raw.decode().strip()) == {"鼎"}


@pytest.mark.parametrize("max_text_tokens", [150, 400])
def test_work_grows_with_the_text_and_not_faster(tokenizer, talk, sentences, max_text_tokens):
    counts = []
    for num_turns in (40, 400):
        counting = Counting(tokenizer)
        texts = texts_of(sentences, "hi", num_turns)
        encode(talk(*texts, num_images=1), counting, max_text_tokens)
        counts.append(counting.num_characters / sum(map(len, texts)))
    assert counts[1] < counts[0] * 1.1
    assert counts[1] < 4


def test_round_by_round_the_ids_are_those_of_the_segments(tokenizer, talk):
    """The sample is nothing but its segments, end to end."""
    encoder = SegmentEncoder(TEMPLATES["chatml"], tokenizer)
    (sample,) = encode(talk("a", "b", "c", "d"), tokenizer, 500, name="chatml").samples
    expected = encoder.head(None) + encoder.question("a", 0) + encoder.answer("b")
    expected += encoder.between + encoder.question("c", 0) + encoder.answer("d")
    assert sample.input_ids == expected
