import io
import json
import logging

import pytest

from palo.observability.logs import request_named, start_logging
from palo.security.audit_log import AuditThrottle, record


@pytest.fixture
def lines():
    """Starts our logging, and returns what reads its lines."""
    logger = logging.getLogger("palo")
    before = logger.handlers, logger.level, logger.propagate
    stream = io.StringIO()
    start_logging(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.handlers, logger.level, logger.propagate = before


def test_a_line_tells_what_happened_and_of_which_request(lines):
    with request_named("req_1"):
        record("key_refused", client="192.0.2.7", attempts=3, name="any", absent=None)
    (line,) = lines()
    assert (line["logger"], line["message"], line["request_id"]) == (
        "palo.audit",
        "key_refused",
        "req_1",
    )
    assert line["audit"] == {"client": "192.0.2.7", "attempts": 3, "name": "any"}


def test_a_text_is_short_and_stays_in_its_line(lines):
    record("key_refused", client="x" * 999, agent='a"}\n{"level": "error"')
    (line,) = lines()
    assert len(line["audit"]["client"]) == 200
    assert line["audit"]["agent"].startswith('a"}\n')


def test_what_strangers_repeat_is_told_a_few_times_a_minute(lines):
    now_s = [0.0]
    throttle = AuditThrottle(2, clock=lambda: now_s[0])
    for _ in range(1000):
        throttle.record("key_refused")
    throttle.record("limit_reached")
    assert [line["message"] for line in lines()] == ["key_refused"] * 2 + ["limit_reached"]
    now_s[0] = 61.0
    throttle.record("key_refused", client="a")
    throttle.record("key_refused", client="b")
    assert [line["audit"] for line in lines()[3:]] == [
        {"client": "a", "lines_left_out": 998},
        {"client": "b"},
    ]
