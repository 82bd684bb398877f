import asyncio

import pytest

from palo.endpoint.limits import RequestPacer
from palo.endpoint.settings import EndpointSettings


@pytest.fixture
def clock(monkeypatch):
    """A clock that sleeping moves."""
    now = [100.0]

    async def sleep(wait_s):
        now[0] += wait_s

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return now


def starts(clock, count, tokens=10, hold=0.0, **limits):
    """When so many requests start, in seconds after the first may."""
    pace = RequestPacer(EndpointSettings(url="http://a/v1", model="m", **limits), lambda: clock[0])
    pace.hold(hold)

    async def run():
        found = []
        for _ in range(count):
            await pace.wait(tokens)
            found.append(clock[0] - 100.0)
        return found

    return asyncio.run(run())


def test_without_limits_nothing_waits(clock):
    assert starts(clock, 3) == [0.0, 0.0, 0.0]


def test_requests_are_spread_over_the_minute(clock):
    assert starts(clock, 3, requests_per_minute=30) == [0.0, 2.0, 4.0]


def test_large_requests_wait_longer_for_one_another(clock):
    assert starts(clock, 3, tokens=100, tokens_per_minute=600) == [0.0, 10.0, 20.0]


def test_everybody_waits_as_long_as_the_server_asked(clock):
    assert starts(clock, 2, hold=7.0) == [7.0, 7.0]
    assert starts(clock, 1, hold=1e9) == [pytest.approx(607.0)]
