import contextlib
import threading

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import TokenUsage
from palo.security.keys import UNKEYED, ApiKey, KeyLimits
from palo.security.rate_limiter import RateLimiter, TokenMeter

NONE = {"requests_per_minute": None, "tokens_per_minute": None, "concurrent": None}


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def key(name="a", **limits):
    return ApiKey(
        id=name, name=name, sha256="0" * 64, created="", limits=KeyLimits(**NONE | limits)
    )


def refused(rate_limiter, asked):
    with pytest.raises(APIError) as caught:
        rate_limiter.admit(asked)
    assert caught.value.code is APIErrorCode.RATE_LIMIT_EXCEEDED
    assert caught.value.code.status == 429
    assert int(caught.value.headers()["Retry-After"]) >= 1
    return caught.value


def test_requests_a_minute(clock):
    rate_limiter, asked = RateLimiter(clock=clock), key(requests_per_minute=3)
    for _ in range(3):
        rate_limiter.admit(asked).close()
    assert refused(rate_limiter, asked).retry_after_s == pytest.approx(20)
    clock.now_s += 19.9
    refused(rate_limiter, asked)
    clock.now_s += 0.1
    rate_limiter.admit(asked).close()
    refused(rate_limiter, asked)
    clock.now_s += 10_000  # no more than a minute's worth is saved up
    for _ in range(3):
        rate_limiter.admit(asked).close()
    refused(rate_limiter, asked)


def test_who_is_refused_pays_nothing(clock):
    rate_limiter, asked = RateLimiter(clock=clock), key(requests_per_minute=1)
    rate_limiter.admit(asked).close()
    for _ in range(100):
        refused(rate_limiter, asked)
    clock.now_s += 60
    rate_limiter.admit(asked).close()


def test_tokens_a_minute_with_what_the_last_request_took_too_much(clock):
    rate_limiter, asked = RateLimiter(clock=clock), key(tokens_per_minute=600)
    with rate_limiter.admit(asked) as lease:
        lease.charge(400)
    with rate_limiter.admit(asked) as lease:
        lease.charge(500)
        assert refused(rate_limiter, asked).retry_after_s == pytest.approx(30.1)
    clock.now_s += 30
    refused(rate_limiter, asked)
    clock.now_s += 0.2
    rate_limiter.admit(asked).close()


def test_requests_at_once(clock):
    rate_limiter, asked = RateLimiter(clock=clock), key(concurrent=2)
    first, second = rate_limiter.admit(asked), rate_limiter.admit(asked)
    assert "requests at once: 2" in refused(rate_limiter, asked).message
    first.close()
    first.close()
    with rate_limiter.admit(asked):
        refused(rate_limiter, asked)
    second.close()
    with pytest.raises(KeyError), rate_limiter.admit(asked):
        raise KeyError
    with rate_limiter.admit(asked), rate_limiter.admit(asked):
        refused(rate_limiter, asked)


def test_one_key_costs_another_nothing(clock):
    rate_limiter = RateLimiter(clock=clock)
    rate_limiter.admit(key("a", requests_per_minute=1, concurrent=1))
    refused(rate_limiter, key("a", requests_per_minute=1, concurrent=1))
    rate_limiter.admit(key("b", requests_per_minute=1, concurrent=1))


def test_new_limits_of_a_key_hold_at_once_and_its_running_requests_still_count(clock):
    rate_limiter = RateLimiter(clock=clock)
    first = rate_limiter.admit(key(concurrent=1))
    second = rate_limiter.admit(key(concurrent=2))
    refused(rate_limiter, key(concurrent=2))
    first.close()
    second.close()
    rate_limiter.admit(key(concurrent=1)).close()


def test_processes_share_the_limits(clock):
    asked = key(requests_per_minute=10, concurrent=5)
    rate_limiter = RateLimiter(num_processes=3, clock=clock)
    visits = [rate_limiter.admit(asked) for _ in range(2)]
    refused(rate_limiter, asked)
    visits[0].close()
    rate_limiter.admit(asked).close()
    assert "requests a minute" in refused(rate_limiter, asked).message


def test_where_no_keys_are_asked_for_nothing_is_limited(clock):
    rate_limiter = RateLimiter(clock=clock)
    for _ in range(2000):
        rate_limiter.admit(UNKEYED).charge(10**6)


def test_threads_count_right():
    rate_limiter, asked = RateLimiter(), key(concurrent=4)

    def ask():
        for _ in range(500):
            with contextlib.suppress(APIError):
                rate_limiter.admit(asked).close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    visits = [rate_limiter.admit(asked) for _ in range(4)]
    refused(rate_limiter, asked)
    assert len(visits) == 4


class Visit:
    """Adds up what is taken."""

    spent = 0

    def charge(self, num_tokens):
        self.spent += num_tokens


@pytest.fixture
def lease():
    return Visit()


def usage(prompt_tokens, completion_tokens):
    return TokenUsage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=0,
        queue_s=0.0,
        first_token_s=0.1,
        total_s=1.0,
    )


def test_who_leaves_has_paid_the_prompt_and_what_was_said(lease):
    spending = TokenMeter(lease, 1)
    spending.charge_prompt(600)
    for _ in range(7):
        spending.charge_delta(0, None)
    assert lease.spent == 607


def test_at_the_end_it_is_exact(lease):
    spending = TokenMeter(lease, 2)
    spending.charge_prompt(600)
    spending.charge_delta(0, None)
    spending.charge_delta(1, None)
    spending.charge_delta(0, usage(600, 12))
    spending.charge_delta(1, usage(600, 1))
    assert lease.spent == 600 + 12 + 1


def test_a_prompt_is_paid_once_even_if_nobody_told_its_length_first(lease):
    spending = TokenMeter(lease, 2)
    spending.charge_delta(0, usage(600, 5))
    spending.charge_delta(1, usage(600, 5))
    assert lease.spent == 610


def test_a_replica_that_continues_costs_only_what_it_adds(lease):
    spending = TokenMeter(lease, 1)
    spending.charge_prompt(600)
    spending.charge_delta(0, None)
    spending.charge_prompt(600)
    spending.charge_delta(0, None)
    spending.charge_delta(0, usage(600, 3))
    assert lease.spent == 600 + 3
