import json

import pytest

from palo.endpoint.replies import Reply
from palo.translate.prompts.reply import BadReplyError, read_turns, write_turns

TURNS = ("یہ کیا ہے؟", "ایک بلی۔")


def said(text, finish_reason="stop", **fields):
    return Reply(text=text, finish_reason=finish_reason, **fields)


GOOD = write_turns(TURNS)
WRAPPED = {
    "as it is": GOOD,
    "a fence": f"```json\n{GOOD}\n```\n",
    "a fence with CRLF": f"```json\r\n{GOOD}\r\n```\r\n",
    "a fence of another name": f"```JSON5\n{GOOD}\n```",
    "a byte order mark": f"\ufeff{GOOD}",
    "a mark within a fence": f"```json\n\ufeff{GOOD}\n```",
    "a sentence before": f"Sure, here is the translation:\n\n{GOOD}",
    "a sentence behind": f"{GOOD}\n\nLet me know if you need {{more}}.",
    "a sentence and a fence": f"Here:\n```json\n{GOOD}\n```\nDone!",
    "reasoning": f'<think>Let me see: {{}} and {{"turns": [1]}}.</think>{GOOD}',
    "no reasoning": f"<think>\n\n</think>\n\n{GOOD}",
    "reasoning without end": f"<think>\nThe user wants Urdu. {GOOD}",
    "reasoning without beginning": f"The user wants Urdu.\n</think>\n{GOOD}",
    "reasoning in other letters": f"<THINK>hm</THINK> {GOOD}",
    "reasoning of Kimi": f"◁think▷hm◁/think▷{GOOD}",
    "reasoning of Magistral": f"[THINK]hm[/THINK]{GOOD}",
    "channels": f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final"
    f"<|message|>{GOOD}<|return|>",
    "an object around it": f'{{"result": {GOOD}}}',
    "the same twice": f"{GOOD}\n\nAgain, as one object:\n{GOOD}",
}


@pytest.mark.parametrize("text", WRAPPED.values(), ids=WRAPPED)
def test_a_translation_is_read_whatever_words_are_around_it(text):
    assert read_turns(said(text), 2) == TURNS


def test_a_line_that_is_broken_within_a_text_is_read():
    assert read_turns(said('{"turns": ["a\nb", "c"]}'), 2) == ("a\nb", "c")


def test_an_answer_that_the_server_took_for_reasoning_is_read():
    assert read_turns(said("", reasoning=f"hm\n{GOOD}"), 2) == TURNS


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (said("", reasoning="hm"), "not the JSON object"),
        (said("", "length", reasoning=GOOD), "all its tokens went into reasoning"),
        (said("", refusal="I can't help with that."), "refused: I can't help"),
        (said("<think>hm"), "reasoning alone"),
        (said(f'{GOOD} or rather {{"turns": ["a", "b"]}}'), "2 different JSON objects"),
    ],
)
def test_what_a_model_wrote_instead_is_told(reply, fault):
    with pytest.raises(BadReplyError, match=fault):
        read_turns(reply, 2)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("", "empty"),
        ("Here you are: یہ", "not the JSON object"),
        (write_turns(TURNS)[:-9], "not the JSON object"),
        ("[" * 100_000, "not the JSON object"),
        ("[]", "not the JSON object"),
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
        read_turns(said(reply), 2)


def test_a_reply_that_was_cut_off_is_refused_even_if_it_looks_whole():
    with pytest.raises(BadReplyError, match="cut off"):
        read_turns(said(GOOD, "length"), 2)
