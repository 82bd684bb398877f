import pytest

from palo import progress
from palo.progress import Meter


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_step_says_how_far_it_is_how_fast_and_how_long_it_takes(clock):
    said = []
    meter = Meter("encode", "records", said.append, 10_000)
    meter.skip(2_000)
    clock[0] += 4
    meter.add(1_000)
    assert said == ["encode: 2,000 records were done before"]
    clock[0] += 6
    meter.add(1_000)
    clock[0] += 20
    meter.add(6_000)
    meter.finish()
    assert said[1:] == [
        "encode: 2,000/8,000 records, 200 records/s, 25%, 30 s left",
        "encode: 8,000/8,000 records, 267 records/s",
    ]


def test_where_units_are_not_known_effort_tells_the_time(clock):
    said = []
    meter = Meter("parse", "rows", said.append, 400, by_effort=True)
    meter.skip(50, effort=100)
    clock[0] += 60
    meter.add(90, effort=75)
    assert said[1:] == ["parse: 90 rows, 1.5 rows/s, 25%, 3 min 0 s left"]


def test_nothing_to_do_says_nothing(clock):
    said = []
    Meter("parse", "rows", said.append, 0).finish()
    assert said == []
