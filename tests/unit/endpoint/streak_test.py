"""A job in which everything fails ends early, and says what the server said."""

import asyncio

import pytest

from palo.endpoint.caller import Caller, run_concurrently
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, PaloError, ResourceError

BODY = {"messages": [{"role": "user", "content": "?"}]}


def ask(server, times, *, fault_of=lambda reply: "", has_worked=False, **changes):
    own = {"url": server.url, "model": "m", "first_wait_s": 0.0, "attempts": 2}
    endpoint = EndpointSettings(**(own | changes))
    found = []

    async def run():
        async with Caller(endpoint, has_worked=has_worked) as caller:

            async def one(number):
                found.append(await caller.call(BODY, fault_of=fault_of))

            await run_concurrently(range(times), one, in_flight=endpoint.in_flight)
            caller.streak.require_some_good()

    asyncio.run(run())
    return found


@pytest.mark.parametrize(
    ("answer", "wrong", "most"),
    [
        ((400, {"error": "no such thing"}), ConfigError, 3),
        ((500, {"error": "oops"}), ResourceError, 6),
        ((429, {"error": "slow down"}), ResourceError, 6),
        ((200, b"{broken"), ResourceError, 6),
        (None, ResourceError, 6),
        ((400, {"error": "content policy"}), ConfigError, 12),
        ((413, b""), ConfigError, 12),
    ],
)
def test_a_server_that_answers_nothing_costs_a_few_requests(completions, answer, wrong, most):
    completions.answer = lambda body, number: answer
    with pytest.raises(wrong, match="gives no answer of use") as caught:
        ask(completions, 1000)
    assert len(completions.bodies) == most
    if isinstance(answer, tuple) and isinstance(answer[1], dict):
        assert answer[1]["error"] in str(caught.value)


def test_replies_of_no_use_end_a_run_with_what_was_said(completions):
    completions.answer = lambda body, number: "no JSON"
    with pytest.raises(ConfigError, match=r"gives no answer of use \(12 unreadable\): not JSON"):
        ask(completions, 1000, fault_of=lambda reply: f"not JSON, but {reply.text}")
    assert len(completions.bodies) == 12


def test_a_run_too_short_for_a_streak_ends_no_better(completions):
    completions.answer = lambda body, number: "no JSON"
    with pytest.raises(ConfigError, match="2 unreadable"):
        ask(completions, 2, fault_of=lambda reply: "not JSON")
    assert len(ask(completions, 2, fault_of=lambda reply: "not JSON", has_worked=True)) == 2


def test_one_good_answer_makes_faults_the_texts_own(completions):
    completions.answer = lambda body, number: "fine" if number == 0 else "odd"
    found = ask(completions, 40, fault_of=lambda reply: "odd" * (reply.text == "odd"))
    assert len(found) == 40


def test_a_server_that_stops_answering_ends_a_long_run(completions):
    gone = (400, {"error": "the model was unloaded"})
    completions.answer = lambda body, number: "fine" if number < 20 else gone
    with pytest.raises(PaloError, match="gives no more answers of use"):
        ask(completions, 10_000, in_flight=4)
    assert len(completions.bodies) <= 20 + 50 + 4


def test_until_the_first_answer_requests_go_one_by_one(completions):
    seen = []

    def answer(body, number):
        seen.append(completions.most_at_once)
        return (503, {}) if number < 2 else "fine"

    completions.answer = answer
    ask(completions, 12, in_flight=8)
    assert seen[:3] == [1, 1, 1]
