import json

import pytest

from palo.translate.prompts.reply import BadReplyError, read_turns, write_turns

TURNS = ("یہ کیا ہے؟", "ایک بلی۔")


def test_what_a_perfect_translator_writes_is_read():
    assert read_turns(write_turns(TURNS), 2) == TURNS
    assert read_turns(f"```json\n{write_turns(TURNS)}\n```\n", 2) == TURNS


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("", "empty"),
        ("Here you are: یہ", "not the JSON object"),
        (write_turns(TURNS)[:-9], "not the JSON object"),
        ("[" * 100_000, "not the JSON object"),
        ("[]", "no list of texts"),
        ('{"turns": "a"}', "no list of texts"),
        ('{"turns": ["a", 2]}', "no list of texts"),
        ('{"turns": ["a"]}', "1 turns instead of 2"),
        ('{"turns": ["a", "b", "c"]}', "3 turns instead of 2"),
        ('{"turns": ["a", " "]}', "Turn 2 of the reply was empty"),
        (json.dumps({"turns": ["a", "\ud83d"]}), "broken character"),
    ],
)
def test_anything_else_is_refused_with_a_reason(reply, fault):
    with pytest.raises(BadReplyError, match=fault):
        read_turns(reply, 2)


def test_a_reply_that_was_cut_off_is_refused_even_if_it_looks_whole():
    with pytest.raises(BadReplyError, match="cut off"):
        read_turns(write_turns(TURNS), 2, is_cut=True)
