import dataclasses
import json
import re
import time
from pathlib import Path

import pytest

from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError
from palo.evaluate.answers.answer_cache import ModelAnswer
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.judging.judge import judge
from palo.evaluate.judging.requests import JudgeSettings
from palo.evaluate.statistics.relative import relative_scores

# What a fair judge gives to an answer of these words.
WORTH = {"reference": 8, "good": 6, "bad": 2, "": 1}


def item(number, language="en", category="conv"):
    return BenchItem(
        question_id=str(number),
        language=language,
        image=Path(f"{number // 2}.jpg"),
        category=category,
        question=f"question {number}?",
        references=("reference",),
        context=("a hill",),
    )


def answers(*words):
    return {f"en/{n}": ModelAnswer(key=f"en/{n}", text=text) for n, text in enumerate(words)}


def shown(body):
    """The question's number and the two answers, as the judge reads them."""
    text = body["messages"][1]["content"]
    first = re.search(r"\[First answer]\n(.*)\n", text)[1]
    second = re.search(r"\[Second answer]\n(.*)\n", text)[1]
    number = int(re.search(r"question (\d+)\?", text)[1])
    return number, first.replace("(empty)", ""), second.replace("(empty)", "")


def verdict(body, bonus=0):
    _, first, second = shown(body)
    values = {"first": WORTH[first] + bonus, "second": WORTH[second], "reason": "Because of it."}
    return json.dumps(values)


def settings(server, endpoint=None, **changes):
    own = {"url": server.url, "model": "judge-2026", "first_wait_s": 0.0, "timeout_s": 5.0}
    return JudgeSettings(endpoint=EndpointSettings(**(own | (endpoint or {}))), **changes)


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "judgments.jsonl"


def test_scores_are_those_of_the_judge_whatever_the_order(completions, kept):
    completions.answer = lambda body, number: verdict(body)
    items = [item(n) for n in range(3)]
    run = judge(items, answers("good", "bad", ""), settings(completions), kept)
    assert [(s.reference, s.candidate) for s in run.judged.scored] == [(8, 6), (8, 2), (8, 1)]
    assert [s.image for s in run.judged.scored] == ["0.jpg", "0.jpg", "1.jpg"]
    assert run.num_asked == run.num_calls == len(completions.bodies) == 6
    assert run.num_tokens == 60
    assert run.judged.orders.same == 1
    assert run.judged.position_bias == pytest.approx(0)
    assert run.judged.reasons["en/0"] == ("Because of it.", "Because of it.")
    value = relative_scores(run.judged.scored).by_language["en"].value
    assert value == pytest.approx(100 * 9 / 24)


def test_a_judge_that_favours_the_first_answer_is_averaged_out_and_found_out(completions, kept):
    completions.answer = lambda body, number: verdict(body, bonus=2)
    run = judge([item(0)], answers("good"), settings(completions), kept)
    (scored,) = run.judged.scored
    assert (scored.reference, scored.candidate) == (9, 7)
    assert run.judged.position_bias == pytest.approx(2)
    alone = judge([item(0)], answers("good"), settings(completions, both_orders=False), kept)
    assert alone.judged.scored[0].candidate == 6
    assert alone.judged.position_bias is None
    assert alone.num_asked == 0


def test_nothing_is_asked_twice_not_even_after_a_shuffle(completions, kept):
    completions.answer = lambda body, number: verdict(body)
    items = [item(n) for n in range(4)]
    words = answers("good", "bad", "good", "bad")
    first = judge(items, words, settings(completions), kept)
    asked = len(completions.bodies)
    again = judge(items[::-1], dict(reversed(words.items())), settings(completions), kept)
    assert len(completions.bodies) == asked
    assert (again.num_asked, again.num_cached) == (0, 8)
    assert again.judged.scored == first.judged.scored[::-1]


@pytest.mark.parametrize(
    "change",
    [
        {"question": "question 0? really"},
        {"references": ("good",)},
        {"context": ("a lake",)},
        {"category": "complex"},
    ],
)
def test_another_content_is_another_judgment(completions, kept, change):
    completions.answer = lambda body, number: verdict(body)
    judge([item(0)], answers("good"), settings(completions), kept)
    other = dataclasses.replace(item(0), **change)
    assert judge([other], answers("good"), settings(completions), kept).num_asked > 0


def test_another_judge_or_temperature_judges_anew(completions, kept):
    completions.answer = lambda body, number: verdict(body)
    judge([item(0)], answers("good"), settings(completions), kept)
    for other in (
        settings(completions, {"model": "b"}),
        settings(completions, temperature=0.2),
    ):
        assert judge([item(0)], answers("good"), other, kept).num_asked == 2


MISBEHAVIOUR = {
    0: "no words at all, just prose",
    1: "दोनों जवाब अच्छे हैं, मैं ८ और ७ दूँगा।",
    2: json.dumps({"first": 42, "second": -3, "reason": "x"}),
    3: "",
    4: (200, b"{broken"),
    5: (500, b"oops"),
    6: (400, {"error": {"message": "content policy"}}),
    7: None,
}


def test_a_judge_that_misbehaves_in_every_way_costs_its_questions_alone(completions, kept):
    def misbehaving(body, number):
        place = shown(body)[0]
        return MISBEHAVIOUR[place] if place in MISBEHAVIOUR else verdict(body)

    completions.answer = misbehaving
    items = [item(n) for n in [*range(8, 12), *range(8)]]
    words = answers(*["good"] * 11)  # question 11 has no answer
    run = judge(items, words, settings(completions, {"attempts": 2, "in_flight": 1}), kept)
    assert [s.key for s in run.judged.scored] == ["en/8", "en/9", "en/10"]
    assert all((s.reference, s.candidate) == (8, 6) for s in run.judged.scored)
    assert run.judged.unscored == {
        "en/0": "not in the form asked for",
        "en/1": "not in the form asked for",
        "en/2": "score out of range",
        "en/3": "empty",
        "en/4": "bad_response",
        "en/5": "server_error",
        "en/6": "filtered",
        "en/7": "connection",
        "en/11": "no answer",
    }
    assert run.failures["not in the form asked for"] == 4
    assert relative_scores(run.judged.scored).by_language["en"].value == 75

    asked = len(completions.bodies)
    completions.answer = lambda body, number: verdict(body)
    again = judge(items, words, settings(completions), kept)
    # Only what a server that was down or broke off may do better now is asked for again.
    assert {shown(body)[0] for body in completions.bodies[asked:]} == {4, 5, 7}
    assert len(again.judged.scored) == 6
    last = judge(items, words, settings(completions, ask_again=True), kept)
    assert last.judged.unscored == {"en/11": "no answer"}


def test_a_reply_that_is_no_verdict_is_asked_for_again(completions, kept):
    completions.answer = lambda body, number: "hm" if number % 2 == 0 else verdict(body)
    one = settings(completions, {"in_flight": 1}, tries=2)
    run = judge([item(0)], answers("good"), one, kept)
    assert len(run.judged.scored) == 1
    assert run.num_calls == 4


def test_the_budget_ends_the_run_and_the_next_one_goes_on(completions, kept):
    completions.answer = lambda body, number: verdict(body)
    items = [item(n) for n in range(4)]
    words = answers(*["good"] * 4)
    run = judge(items, words, settings(completions, {"max_calls": 4, "in_flight": 1}), kept)
    assert run.judged.unscored_by_reason == {"budget": 2}
    run = judge(items, words, settings(completions), kept)
    assert (run.num_cached, run.num_asked, len(run.judged.scored)) == (4, 4, 4)


def test_repeats_tell_how_far_a_judge_agrees_with_itself(completions, kept):
    completions.answer = lambda body, number: verdict(body, bonus=number % 2)
    one = settings(completions, {"in_flight": 1}, repeats=2, both_orders=False)
    run = judge([item(0), item(1)], answers("good", "bad"), one, kept)
    assert run.judged.repeats.num_pairs == 4
    assert run.judged.repeats.same == 0.5
    assert run.judged.repeats.mean_difference == 0.5


def test_reasons_in_another_language_are_counted_and_scores_stay(completions, kept):
    reason = "دوسرا جواب بہت مختصر ہے اور تصویر سے میل نہیں کھاتا۔"
    completions.answer = lambda body, number: json.dumps(
        {**json.loads(verdict(body)), "reason": reason}
    )
    run = judge([item(0)], answers("good"), settings(completions), kept)
    assert (len(run.judged.scored), run.judged.num_foreign_reasons) == (1, 2)


def test_a_wrong_key_ends_the_run_and_keeps_what_was_judged(completions, kept):
    completions.answer = lambda body, number: verdict(body) if number < 2 else (401, {})
    one = settings(completions, {"in_flight": 1})
    with pytest.raises(ConfigError, match="refuses the API key"):
        judge([item(0), item(1)], answers("good", "bad"), one, kept)
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 2


def test_wrong_settings_are_told_before_anything_is_asked(completions, kept):
    with pytest.raises(ConfigError, match="2 faults"):
        judge([], {}, settings(completions, temperature=3, repeats=0), kept)


def test_many_judgments_are_in_flight_at_once(completions, kept):
    def slow(body, number):
        time.sleep(0.2)
        return verdict(body)

    completions.answer = slow
    items = [item(n) for n in range(20)]
    judge(items, answers(*["good"] * 20), settings(completions, {"in_flight": 16}), kept)
    assert completions.most_at_once > 4
