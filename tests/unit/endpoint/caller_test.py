import asyncio
import contextlib
import json
import time

import pytest
from tests.fixtures.completion_server import completion

from palo import config
from palo.endpoint.caller import Caller, CallMeter, run_concurrently
from palo.endpoint.limits import RequestPacer
from palo.endpoint.replies import Failure, Reply
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, ResourceError

BODY = {"messages": [{"role": "user", "content": "?"}]}


def settings(server, **changes):
    values = {"url": server.url, "model": "m", "first_wait_s": 0.0, "timeout_s": 5.0}
    return EndpointSettings(**(values | changes))


def ask(endpoint, times=1):
    async def run():
        async with Caller(endpoint) as caller:
            return [await caller.call(BODY) for _ in range(times)], caller

    replies, caller = asyncio.run(run())
    return (replies[0] if times == 1 else replies), caller


def test_words_come_back_with_why_they_end(completions, monkeypatch):
    monkeypatch.setenv("A_KEY", "secret")
    completions.answer = lambda body, number: (200, completion("سلام", "length"))
    reply, caller = ask(settings(completions, key_env="A_KEY"))
    assert reply == Reply(text="سلام", finish_reason="length", tokens_out=10)
    assert completions.bodies == [{"model": "m", **BODY}]
    assert completions.headers[0]["Authorization"] == "Bearer secret"
    assert (caller.spent.calls, caller.spent.tokens) == (1, 10)


@pytest.mark.parametrize(
    "trouble",
    [
        (429, {"error": {}}),
        (503, b"<html>"),
        None,
        (200, b"not json"),
        (200, {"choices": []}),
        (200, {"error": {"message": "overloaded", "code": 503}}),
        (408, {}),
        (409, {}),
        (425, {}),
    ],
)
def test_what_may_pass_is_tried_again(completions, trouble):
    completions.answer = lambda body, number: trouble if number < 2 else "at last"
    reply, caller = ask(settings(completions))
    assert isinstance(reply, Reply)
    assert reply.text == "at last"
    assert caller.spent.calls == 3


@pytest.mark.parametrize(
    ("trouble", "kind", "calls"),
    [
        ((429, {}), "busy", 3),
        ((502, {}), "server_error", 3),
        ((400, {"error": "bad"}), "refused", 1),
        ((400, {"error": "your prompt is too long"}), "too_long", 1),
        ((413, b"<html>"), "too_long", 1),
        ((400, {"error": {"code": "content_filter"}}), "filtered", 1),
        ((200, {"choices": [{}]}), "bad_response", 3),
        ((200, b"x" * (3 << 20)), "bad_response", 3),
    ],
)
def test_what_does_not_pass_is_told(completions, trouble, kind, calls):
    completions.answer = lambda body, number: trouble
    reply, caller = ask(settings(completions, attempts=3))
    assert isinstance(reply, Failure)
    assert reply.kind == kind
    assert caller.spent.calls == calls


def test_a_server_that_does_not_answer_is_a_timeout(completions):
    completions.answer = lambda body, number: time.sleep(0.4) or "late"
    reply, _ = ask(settings(completions, timeout_s=0.05, attempts=2))
    assert reply.kind == "timeout"


def test_an_answer_that_goes_on_drop_by_drop_is_a_timeout():
    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)

    async def run():
        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}/v1"
            async with Caller(
                EndpointSettings(url=url, model="m", timeout_s=0.2, attempts=1)
            ) as caller:
                return await caller.call(BODY)

    failure = asyncio.run(run())
    assert (failure.kind, failure.is_free) == ("timeout", False)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "refuses the API key.*NAME_OF_KEY"),
        (403, "refuses"),
        (404, "has no model m"),
        (402, "wants money"),
    ],
)
def test_what_every_request_would_meet_ends_the_run(completions, status, message):
    completions.answer = lambda body, number: (status, {"error": {"message": "no"}})
    with pytest.raises(ConfigError, match=message):
        ask(settings(completions, key_env="NAME_OF_KEY"))
    assert len(completions.bodies) == 1


def test_a_server_that_hangs_up_each_time_costs_its_requests_alone(completions):
    completions.answer = lambda body, number: None
    found, _ = ask(settings(completions, attempts=2))
    assert isinstance(found, Failure)
    assert found.kind == "connection"


def test_a_server_that_is_not_there_ends_the_run():
    endpoint = EndpointSettings(
        url="http://127.0.0.1:9/v1", model="m", first_wait_s=0.0, attempts=2
    )
    with pytest.raises(ResourceError, match="can't be reached"):
        ask(endpoint)


def test_the_budget_of_calls_and_of_tokens_is_kept(completions):
    replies, caller = ask(settings(completions, max_calls=2), times=3)
    assert [isinstance(reply, Reply) for reply in replies] == [True, True, False]
    assert replies[2].kind == "budget"
    replies, caller = ask(settings(completions, max_total_tokens=15), times=3)
    assert (caller.spent.tokens, replies[2].kind) == (20, "budget")


def test_the_budget_of_money_is_kept_whatever_is_in_flight(completions):
    usage = {"usage": {"prompt_tokens": 1, "completion_tokens": 4}}
    completions.answer = lambda body, number: (200, completion("x") | usage)
    prices = {"input_price": 1e6, "output_price": 1e6}
    endpoint = settings(completions, in_flight=8, max_cost=100.0, **prices)
    found = []

    async def run():
        # Of the hundred, fifty were spent by an earlier run; each may cost 3 + 10, and costs 5.
        async with Caller(endpoint, spent_before=50.0) as caller:

            async def work(number):
                found.append(await caller.call(BODY | {"max_tokens": 10}))

            await run_concurrently(range(30), work, in_flight=8)
            return caller.spent

    spent = asyncio.run(run())
    answered = [reply for reply in found if isinstance(reply, Reply)]
    assert {reply.kind for reply in found if isinstance(reply, Failure)} == {"budget"}
    assert (spent.calls, spent.cost, spent.tokens_in) == (8, 40.0, 8)
    assert len(answered) == 8


def test_it_is_told_before_anything_is_sent_and_what_it_may_cost(completions):
    told = []

    def answer(body, number):
        assert len(told) == number + 1
        return (500, {}) if number == 0 else "fine"

    completions.answer = answer

    async def run():
        async with Caller(settings(completions, input_price=1e6)) as caller:
            return await caller.call(BODY, meter=CallMeter(on_send=told.append))

    assert isinstance(asyncio.run(run()), Reply)
    assert told == [3.0, 3.0]


def test_money_that_has_run_out_ends_the_run(completions):
    body = {"error": {"code": "insufficient_quota"}}
    completions.answer = lambda _, number: (429, body)
    with pytest.raises(ConfigError, match="wants money"):
        ask(settings(completions))


def test_a_server_that_names_a_time_is_obeyed(completions, monkeypatch):
    held = []
    monkeypatch.setattr(RequestPacer, "hold", lambda self, wait_s: held.append(wait_s))
    completions.answer = lambda body, number: "fine" if number else (429, {}, {"Retry-After": "7"})
    reply, _ = ask(settings(completions))
    assert (reply.text, held) == ("fine", [7.0])


def test_so_many_are_in_flight_and_no_more(completions):
    completions.answer = lambda body, number: time.sleep(0.05) or "x"
    endpoint = settings(completions, in_flight=4)
    done = []

    async def run():
        async with Caller(endpoint) as caller:

            async def work(number):
                await caller.call(BODY)
                done.append(number)

            await run_concurrently(range(12), work, in_flight=4)

    asyncio.run(run())
    assert sorted(done) == list(range(12))
    assert 2 <= completions.most_at_once <= 4


def test_the_first_error_ends_all(completions):
    completions.answer = lambda body, number: (401, {})

    async def run():
        async with Caller(settings(completions)) as caller:
            await run_concurrently(range(100), lambda _: caller.call(BODY), in_flight=2)

    with pytest.raises(ConfigError, match="refuses the API key"):
        asyncio.run(run())
    assert len(completions.bodies) <= 4


def test_wrong_settings_are_told_together():
    wrong = EndpointSettings(
        url="localhost",
        model="",
        in_flight=0,
        attempts=0,
        timeout_s=0,
        max_calls=0,
        input_price=-1,
        requests_per_minute=0,
    )
    with pytest.raises(ConfigError, match="8 faults"):
        config.check(wrong)


def test_a_limit_of_money_needs_prices():
    with pytest.raises(ConfigError, match="needs input_price or output_price"):
        config.check(EndpointSettings(url="http://a/v1", model="m", max_cost=5))


def test_the_key_is_not_in_what_is_written_down(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert "secret" not in json.dumps(
        config.to_dict(EndpointSettings(url="http://a/v1", model="m"))
    )
