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


def refused(allowances, asked):
    with pytest.raises(APIError) as caught:
        allowances.admit(asked)
    assert caught.value.code is APIErrorCode.RATE_LIMIT_EXCEEDED
    assert caught.value.code.status == 429
    assert int(caught.value.headers()["Retry-After"]) >= 1
    return caught.value


def test_requests_a_minute(clock):
    allowances, asked = RateLimiter(clock=clock), key(requests_per_minute=3)
    for _ in range(3):
        allowances.admit(asked).close()
    assert refused(allowances, asked).retry_after_s == pytest.approx(20)
    clock.now_s += 19.9
    refused(allowances, asked)
    clock.now_s += 0.1
    allowances.admit(asked).close()
    refused(allowances, asked)
    clock.now_s += 10_000  # no more than a minute's worth is saved up
    for _ in range(3):
        allowances.admit(asked).close()
    refused(allowances, asked)


def test_who_is_refused_pays_nothing(clock):
    allowances, asked = RateLimiter(clock=clock), key(requests_per_minute=1)
    allowances.admit(asked).close()
    for _ in range(100):
        refused(allowances, asked)
    clock.now_s += 60
    allowances.admit(asked).close()


def test_tokens_a_minute_with_what_the_last_request_took_too_much(clock):
    allowances, asked = RateLimiter(clock=clock), key(tokens_per_minute=600)
    with allowances.admit(asked) as visit:
        visit.charge(400)
    with allowances.admit(asked) as visit:
        visit.charge(500)
        assert refused(allowances, asked).retry_after_s == pytest.approx(30.1)
    clock.now_s += 30
    refused(allowances, asked)
    clock.now_s += 0.2
    allowances.admit(asked).close()


def test_requests_at_once(clock):
    allowances, asked = RateLimiter(clock=clock), key(concurrent=2)
    first, second = allowances.admit(asked), allowances.admit(asked)
    assert "requests at once: 2" in refused(allowances, asked).message
    first.close()
    first.close()
    with allowances.admit(asked):
        refused(allowances, asked)
    second.close()
    with pytest.raises(KeyError), allowances.admit(asked):
        raise KeyError
    with allowances.admit(asked), allowances.admit(asked):
        refused(allowances, asked)


def test_one_key_costs_another_nothing(clock):
    allowances = RateLimiter(clock=clock)
    allowances.admit(key("a", requests_per_minute=1, concurrent=1))
    refused(allowances, key("a", requests_per_minute=1, concurrent=1))
    allowances.admit(key("b", requests_per_minute=1, concurrent=1))


def test_new_limits_of_a_key_hold_at_once_and_its_running_requests_still_count(clock):
    allowances = RateLimiter(clock=clock)
    first = allowances.admit(key(concurrent=1))
    second = allowances.admit(key(concurrent=2))
    refused(allowances, key(concurrent=2))
    first.close()
    second.close()
    allowances.admit(key(concurrent=1)).close()


def test_processes_share_the_limits(clock):
    asked = key(requests_per_minute=10, concurrent=5)
    allowances = RateLimiter(num_processes=3, clock=clock)
    visits = [allowances.admit(asked) for _ in range(2)]
    refused(allowances, asked)
    visits[0].close()
    allowances.admit(asked).close()
    assert "requests a minute" in refused(allowances, asked).message


def test_where_no_keys_are_asked_for_nothing_is_limited(clock):
    allowances = RateLimiter(clock=clock)
    for _ in range(2000):
        allowances.admit(UNKEYED).charge(10**6)


def test_threads_count_right():
    allowances, asked = RateLimiter(), key(concurrent=4)

    def ask():
        for _ in range(500):
            with contextlib.suppress(APIError):
                allowances.admit(asked).close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    visits = [allowances.admit(asked) for _ in range(4)]
    refused(allowances, asked)
    assert len(visits) == 4


class Visit:
    """Adds up what is taken."""

    spent = 0

    def charge(self, num_tokens):
        self.spent += num_tokens


@pytest.fixture
def visit():
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


def test_who_leaves_has_paid_the_prompt_and_what_was_said(visit):
    spending = TokenMeter(visit, 1)
    spending.began(600)
    for _ in range(7):
        spending.said(0, None)
    assert visit.spent == 607


def test_at_the_end_it_is_exact(visit):
    spending = TokenMeter(visit, 2)
    spending.began(600)
    spending.said(0, None)
    spending.said(1, None)
    spending.said(0, usage(600, 12))
    spending.said(1, usage(600, 1))
    assert visit.spent == 600 + 12 + 1


def test_a_prompt_is_paid_once_even_if_nobody_told_its_length_first(visit):
    spending = TokenMeter(visit, 2)
    spending.said(0, usage(600, 5))
    spending.said(1, usage(600, 5))
    assert visit.spent == 610


def test_a_second_try_costs_only_what_it_says(visit):
    spending = TokenMeter(visit, 1)
    spending.began(600)
    spending.said(0, None)
    spending.began(600)
    spending.said(0, usage(600, 3))
    assert visit.spent == 600 + 1 + 3
