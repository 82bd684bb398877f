"""Waits between attempts, and the header Retry-After."""

import pytest

from palo.retries import Backoff, retry_after_s


def test_waits_double_up_to_the_longest():
    backoff = Backoff(attempts=5, first_wait_s=1.0, longest_wait_s=3.0)
    assert list(backoff.waits()) == [0.0, 1.0, 2.0, 3.0, 3.0]


def test_jitter_spreads_the_waits_within_its_factors():
    backoff = Backoff(attempts=50, first_wait_s=4.0, longest_wait_s=4.0, jitter=(0.5, 1.5))
    first, *others = backoff.waits()
    assert first == 0.0
    assert len(set(others)) > 1
    assert all(2.0 <= wait_s <= 6.0 for wait_s in others)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_the_header_holds_seconds_or_a_date(header, seconds):
    assert retry_after_s(header, now_s=100.0) == seconds
