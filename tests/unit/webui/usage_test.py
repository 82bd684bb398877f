from contextlib import ExitStack

import pytest

from palo import config
from palo.api_errors import APIError
from palo.errors import ConfigError
from palo.webui.usage import FairCache, QuotaSettings, RequestKind, UsageLimits


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def visits(clock, **limits):
    return UsageLimits(QuotaSettings(**limits), clock)


def visit(visits, visitor="v", kind=RequestKind.CALL):
    with visits.admitted(visitor, kind):
        pass


def test_a_minute_has_so_many_calls_and_reads(clock):
    known = visits(clock, calls_per_minute=2, reads_per_minute=3)
    visit(known)
    visit(known, kind=RequestKind.UPLOAD)
    clock.now += 20
    with pytest.raises(APIError, match="calls a minute") as caught:
        visit(known)
    assert (caught.value.code, caught.value.retry_after_s) == ("rate_limit_exceeded", 40)
    visit(known, "another")
    for _ in range(3):
        visit(known, kind=RequestKind.READ)
    with pytest.raises(APIError, match="requests a minute"):
        visit(known, kind=RequestKind.STREAM)
    clock.now += 40
    visit(known)


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        (RequestKind.CALL, {"calls": 2}),
        (RequestKind.UPLOAD, {"uploads": 2}),
        (RequestKind.STREAM, {"streams": 2}),
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
        known.admitted("one", RequestKind.STREAM),
        known.admitted("other", RequestKind.STREAM),
        pytest.raises(APIError) as caught,
    ):
        visit(known, "third", RequestKind.STREAM)
    assert caught.value.code == "overloaded"
    visit(known, "third", RequestKind.STREAM)


def test_calls_that_are_read_have_no_end_of_their_own(clock):
    known = visits(clock, unread_calls=1)
    with known.admitted("v", RequestKind.STREAM, "s"):
        for _ in range(9):
            known.require_reader("v", "s")
    known.require_reader("v", "s")
    known.require_reader("v", "other")
    with pytest.raises(APIError, match="nobody reads"):
        known.require_reader("v", "s")


def test_visitors_are_not_remembered_without_end(clock, monkeypatch):
    monkeypatch.setattr("palo.webui.usage._MAX_VISITORS", 3)
    known = visits(clock, streams=1)
    with known.admitted("stays", RequestKind.STREAM):
        for number in range(9):
            visit(known, str(number))
        with pytest.raises(APIError):
            visit(known, "stays", RequestKind.STREAM)
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


def cache(max_entries=9, max_size=9, max_total_size=99):
    return FairCache(max_entries=max_entries, max_size=max_size, max_total_size=max_total_size)


def test_the_oldest_of_a_visitor_goes_first():
    kept = cache(max_entries=2)
    assert [kept.keep("v", name, 1) for name in "abc"] == [[], [], ["a"]]
    assert kept.keep("v", "b", 1) == []  # is the latest again
    assert kept.keep("v", "d", 1) == ["c"]


def test_a_visitor_has_so_much():
    kept = cache()
    assert [kept.keep("v", name, 4) for name in "abc"] == [[], [], ["a"]]
    assert kept.keep("v", "huge", 10) == ["b", "c", "huge"]
    assert kept.total_size == 0


def test_who_keeps_most_makes_room_for_the_others():
    kept = cache(max_total_size=10)
    kept.keep("modest", "mine", 1)
    for name in "abcd":
        kept.keep("stranger", name, 2)
    assert kept.keep("newcomer", "new", 3) == ["a"]
    assert kept.total_size == 10


def test_what_others_keep_too_stays():
    kept = cache(max_entries=1)
    kept.keep("one", "same", 1)
    kept.keep("other", "same", 1)
    assert kept.keep("one", "new", 1) == []
    assert kept.keep("other", "newer", 1) == ["same"]
