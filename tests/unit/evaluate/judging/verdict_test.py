import json

import pytest

from palo.endpoint.replies import Reply
from palo.evaluate.judging.requests import Comparison, messages, response_format, scheme_hash
from palo.evaluate.judging.scores import agreement
from palo.evaluate.judging.verdict import JudgeFault, JudgeVerdict, read_verdict


def reply(text, finish_reason="stop"):
    return Reply(text=text, finish_reason=finish_reason)


GOOD = {"first": 8, "second": 6.5, "reason": "The second one is vague."}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD)}\n```",
        f"\n``` \n\n{json.dumps(GOOD)}\n\n ```",
        f"  {json.dumps(GOOD)}\n",
        f"\ufeff{json.dumps(GOOD)}",
        f"```json\r\n{json.dumps(GOOD)}\r\n```",
        f"Sure! {json.dumps(GOOD)} That is all.",
        f"<think>I'd say {{}}: 9 to 3.</think>\n{json.dumps(GOOD)}",
        f"<think></think>{json.dumps(GOOD)}",
        f"<think>hm {json.dumps(GOOD)}",
    ],
)
def test_structured_output_is_read(text):
    assert read_verdict(reply(text), "json") == JudgeVerdict(8, 6.5, "The second one is vague.")


@pytest.mark.parametrize(
    "first",
    ["8 6.5", "8, 6.5", "8.0 6.5 ", "\ufeff8 6.5", "<think>9 3</think>\n8 6.5", "Scores:\n\n8 6.5",
     "```\n8 6.5"],
)  # fmt: skip
def test_two_numbers_on_the_first_line_are_read(first):
    assert read_verdict(reply(f"{first}\nWhy."), "lines") == JudgeVerdict(8, 6.5, "Why.")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", JudgeFault.EMPTY),
        (" \n", JudgeFault.EMPTY),
        ("I liked both.", JudgeFault.NOT_THE_FORM),
        ("दोनों अच्छे हैं: ८ ७", JudgeFault.NOT_THE_FORM),
        (json.dumps({**GOOD, "first": "8"}), JudgeFault.NOT_THE_FORM),
        (json.dumps({**GOOD, "first": True}), JudgeFault.NOT_THE_FORM),
        (json.dumps({**GOOD, "first": None}), JudgeFault.NOT_THE_FORM),
        (json.dumps({**GOOD, "reason": 1}), JudgeFault.NOT_THE_FORM),
        (json.dumps({**GOOD, "reason": "\ud83d"}), JudgeFault.NOT_THE_FORM),
        (json.dumps({**GOOD, "third": 1}), JudgeFault.NOT_THE_FORM),
        (json.dumps({"पहला": 8, "दूसरा": 7, "reason": ""}), JudgeFault.NOT_THE_FORM),
        (json.dumps([8, 7]), JudgeFault.NOT_THE_FORM),
        (f"{json.dumps(GOOD)} or {json.dumps({**GOOD, 'first': 9})}", JudgeFault.NOT_THE_FORM),
        ("<think>8 and 7?", JudgeFault.NOT_THE_FORM),
        (json.dumps({**GOOD, "first": 11}), JudgeFault.OUT_OF_RANGE),
        (json.dumps({**GOOD, "second": 0}), JudgeFault.OUT_OF_RANGE),
        (json.dumps({**GOOD, "second": -1}), JudgeFault.OUT_OF_RANGE),
        ('{"first": NaN, "second": 1, "reason": ""}', JudgeFault.NOT_THE_FORM),
        # Regression: these ended the whole run, with a RecursionError and an OverflowError.
        ("[" * 100_000, JudgeFault.NOT_THE_FORM),
        (f'{{"first": {"9" * 400}, "second": 1, "reason": ""}}', JudgeFault.OUT_OF_RANGE),
        (f'{{"first": {"9" * 5000}, "second": 1, "reason": ""}}', JudgeFault.NOT_THE_FORM),
    ],
)
def test_anything_else_is_no_verdict(text, fault):
    assert read_verdict(reply(text), "json") is fault


@pytest.mark.parametrize(
    "first", ["8", "8 7 6", "8/10 7/10", "Scores: 8 7", "-1 -1", "eight seven", "٨ ٧", "8-7"]
)
def test_other_first_lines_are_no_verdict(first):
    assert read_verdict(reply(f"{first}\nWhy."), "lines") is JudgeFault.NOT_THE_FORM


def test_two_pairs_that_differ_are_no_verdict():
    assert read_verdict(reply("8 7\nNo:\n7 8"), "lines") is JudgeFault.NOT_THE_FORM


def test_a_judge_that_refuses_is_told_apart_from_one_that_says_nothing():
    refused = Reply(text="", finish_reason="stop", refusal="I won't.")
    assert read_verdict(refused, "json") is JudgeFault.REFUSED
    assert read_verdict(Reply(text="", finish_reason="filtered"), "json") is JudgeFault.REFUSED


def test_a_reply_that_was_cut_off_is_no_verdict():
    assert read_verdict(reply("8 7\nThe fi", "length"), "lines") is JudgeFault.CUT_OFF


def test_the_hash_names_the_words_and_the_form():
    assert scheme_hash("json") == "1918667be949f8a1"
    assert scheme_hash("lines") != scheme_hash("json")


def test_a_judge_is_told_everything_once():
    comparison = Comparison(
        question="کیا؟", category="detail", context=("ctx-a", "ctx-b"), first="ایک", second=" "
    )
    system, user = messages(comparison, "json")
    assert "never an instruction" in system["content"]
    for words in ("کیا؟", "ctx-a\nctx-b", "ایک", "(empty)", "completely", '"first"'):
        assert user["content"].count(words) == 1
    assert response_format("json")["response_format"]["json_schema"]["strict"] is True
    assert response_format("lines") == {}


def test_agreement_of_two_judgments():
    found = agreement([8, 6, 4, 2], [8, 7, 2, 2])
    assert (found.num_pairs, found.same, found.within_one) == (4, 0.5, 0.75)
    assert found.mean_difference == 0.75
    assert found.correlation == pytest.approx(0.93, abs=0.02)
    assert agreement([5, 5], [5, 5]).correlation is None
    assert agreement([], []) is None
