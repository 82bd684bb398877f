from contextlib import ExitStack

import pytest

from palo import config
from palo.api_errors import APIError
from palo.errors import ConfigError
from palo.webui.quota_settings import QuotaSettings
from palo.webui.visits import Kind, Visits


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def visits(clock, **limits):
    return Visits(QuotaSettings(**limits), clock)


def visit(visits, visitor="v", kind=Kind.CALL):
    with visits.admitted(visitor, kind):
        pass


def test_a_minute_has_so_many_calls_and_reads(clock):
    known = visits(clock, calls_per_minute=2, reads_per_minute=3)
    visit(known)
    visit(known, kind=Kind.UPLOAD)
    clock.now += 20
    with pytest.raises(APIError, match="calls a minute") as caught:
        visit(known)
    assert (caught.value.code, caught.value.retry_after_s) == ("rate_limit_exceeded", 40)
    visit(known, "another")
    for _ in range(3):
        visit(known, kind=Kind.READ)
    with pytest.raises(APIError, match="requests a minute"):
        visit(known, kind=Kind.STREAM)
    clock.now += 40
    visit(known)


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        (Kind.CALL, {"calls": 2}),
        (Kind.UPLOAD, {"uploads": 2}),
        (Kind.STREAM, {"streams": 2}),
    ],
)
def test_so_many_at_once_and_a_place_is_given_back(clock, kind, limits):
    known = visits(clock, **limits)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(known.admitted("v", kind))
        with pytest.raises(APIError, match=f"{kind} at once"):
            visit(known, kind=kind)
        visit(known, "another", kind)
    visit(known, kind=kind)


def test_all_together_have_so_many_streams(clock):
    known = visits(clock, streams=2, all_streams=2)
    with (
        known.admitted("one", Kind.STREAM),
        known.admitted("other", Kind.STREAM),
        pytest.raises(APIError) as caught,
    ):
        visit(known, "third", Kind.STREAM)
    assert caught.value.code == "overloaded"
    visit(known, "third", Kind.STREAM)


def test_calls_that_are_read_have_no_end_of_their_own(clock):
    known = visits(clock, unread_calls=1)
    with known.admitted("v", Kind.STREAM, "s"):
        for _ in range(9):
            known.require_reader("v", "s")
    known.require_reader("v", "s")
    known.require_reader("v", "other")
    with pytest.raises(APIError, match="nobody reads"):
        known.require_reader("v", "s")


def test_visitors_are_not_remembered_without_end(clock, monkeypatch):
    monkeypatch.setattr("palo.webui.visits._MAX_VISITORS", 3)
    known = visits(clock, streams=1)
    with known.admitted("stays", Kind.STREAM):
        for number in range(9):
            visit(known, str(number))
        with pytest.raises(APIError):
            visit(known, "stays", Kind.STREAM)
    assert len(known._visitors) == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"calls": 0}, "calls is 0"),
        ({"upload_total_s": -1.0}, "upload_total_s is -1"),
        ({"streams": 9, "all_streams": 8}, "all_streams must be at least streams"),
    ],
)
def test_settings_with_faults_are_told(values, words):
    with pytest.raises(ConfigError, match=words):
        config.check(QuotaSettings(**values))
