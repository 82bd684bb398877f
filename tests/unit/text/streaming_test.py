from random import Random

import pytest

from palo.text.streaming import TextStream

TEXTS = (
    "Two red circles.",
    "两个红色的圆。𠮷",
    "नीला वर्ग।",
    "দুটি লাল বৃত্ত।",
    "دائرة حمراء.",
    "👩‍👩‍👧 été\n\n  two  spaces",
    " led by a space",
    "",
)


@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_make_the_text(tokenizer, text):
    stream = TextStream(tokenizer)
    pieces = [stream.add(token_id) for token_id in tokenizer.encode(text)]
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_half_a_character_waits(tokenizer):
    ids = tokenizer.encode("𠮷")
    assert len(ids) > 1
    stream = TextStream(tokenizer)
    assert "".join(stream.add(token_id) for token_id in ids[:-1]) == ""
    assert stream.add(ids[-1]) == "𠮷"


def test_bytes_that_are_no_character_are_left_out(pieces):
    stream = TextStream(pieces)
    first_of_four = pieces.encode("𠮷")[-4]
    ids = [*pieces.encode("a"), first_of_four, *pieces.encode("b")]
    assert "".join(stream.add(token_id) for token_id in ids) == "a b"


def test_control_tokens_and_sentinels_say_nothing(tokenizer):
    stream = TextStream(tokenizer)
    ids = [tokenizer.eos_id, -200, *tokenizer.encode("a")]
    assert "".join(stream.add(token_id) for token_id in ids) == "a"


def streamed(tokenizer, text, *stops):
    stream = TextStream(tokenizer, stops)
    pieces = [stream.add(token_id) for token_id in tokenizer.encode(text)]
    return stream, pieces


@pytest.mark.parametrize("text", TEXTS[:-1])
def test_a_stop_text_that_does_not_come_takes_nothing_away(tokenizer, text):
    stream, pieces = streamed(tokenizer, text, text[-2:] + "!", "never", text[-1] + "?")
    assert "".join(pieces) == text[:-2]
    assert not stream.stopped
    assert stream.end() == text[-2:]
    assert stream.end() == ""


@pytest.mark.parametrize("text", TEXTS[:-1])
def test_nothing_of_a_stop_text_or_after_it_is_given(tokenizer, text):
    stream, pieces = streamed(tokenizer, text + "\n\nUSER: more", "xyz", "\n\nUSER:")
    assert "".join(pieces) == text
    assert stream.stopped
    assert stream.end() == ""
    assert stream.add(tokenizer.encode("a")[0]) == ""


def test_the_first_of_several_stop_texts_counts(tokenizer):
    stream, pieces = streamed(tokenizer, "one, two; three.", "; ", ", ")
    assert "".join(pieces) == "one"
    assert stream.stopped


def test_a_beginning_that_comes_to_nothing_is_given_as_soon_as_that_is_certain(tokenizer):
    stream, pieces = streamed(tokenizer, "aab aac", "aac")
    assert "".join(pieces) == "aab "
    assert stream.stopped


def streamed_plainly(added, stops):
    """What the stream gives for texts that come one by one, by looking at all of them again."""
    text, given = "", 0
    for more in added:
        text += more
        places = [place for stop in stops if (place := text.find(stop)) >= 0]
        if places:
            return text[: min(places)]
        waits = [n for stop in stops for n in range(len(stop)) if text.endswith(stop[:n])]
        given = len(text) - max(waits)
    return text[:given]


def test_stop_texts_that_begin_again_within_themselves_are_found(pieces):
    draw = Random(0)
    for _ in range(500):
        text = "".join(draw.choices("ab", k=draw.randint(1, 30)))
        lengths = draw.choices(range(1, 10), k=draw.randint(1, 3))
        stops = ["".join(draw.choices("ab", k=length)) for length in lengths]
        added = [TextStream(pieces).add(token_id) for token_id in pieces.encode(text)]
        added[1:] = [pieces.token_bytes(token_id).decode() for token_id in pieces.encode(text)[1:]]
        _, made = streamed(pieces, text, *stops)
        assert "".join(made) == streamed_plainly(added, stops), (text, stops)
