import pytest

from palo.webui.login import LoginLimit


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def limit(clock):
    return LoginLimit(of_one=2, of_all=3, clock=lambda: clock[0])


def test_who_tries_too_often_waits_until_the_first_try_is_a_minute_old(limit, clock):
    assert limit.begin("192.0.2.7") == 0
    clock[0] = 10.0
    assert limit.begin("192.0.2.7") == 0
    assert limit.begin("192.0.2.7") == 50.0
    clock[0] = 59.0
    assert limit.begin("192.0.2.7") == 1.0
    clock[0] = 60.5
    assert limit.begin("192.0.2.7") == 0


def test_all_together_have_a_limit_too(limit):
    assert [limit.begin(f"192.0.2.{last}") for last in range(4)] == [0, 0, 0, 60.0]


def test_what_succeeds_does_not_count(limit):
    for _ in range(20):
        assert limit.begin("192.0.2.7") == 0
        limit.succeeded("192.0.2.7")


def test_a_network_of_ipv6_is_one_address(limit):
    assert limit.begin("2001:db8::1") == limit.begin("2001:db8::2") == 0
    assert limit.begin("2001:db8::3") > 0
    assert limit.begin("2001:db8:0:1::1") == 0


def test_addresses_are_not_kept_without_end(limit, monkeypatch):
    monkeypatch.setattr("palo.webui.login._MAX_ADDRESSES", 5)
    for number in range(100):
        limit.begin(f"client {number}")
    assert len(limit._by_address) == 5
