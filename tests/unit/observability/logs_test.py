import asyncio
import io
import json
import logging

import pytest

from palo.observability.logs import RequestLog, request_named, start_logging


@pytest.fixture
def written():
    """Starts our logging, and returns what reads its lines."""
    logger = logging.getLogger("palo")
    before = logger.handlers, logger.level, logger.propagate
    stream = io.StringIO()
    start_logging(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.handlers, logger.level, logger.propagate = before[0], before[1], before[2]


def test_a_line_names_its_request(written):
    log = logging.getLogger("palo.serve.test")
    with request_named("req_1"):
        log.warning("no image from %s", "a.org")
    log.info("idle", extra={"num_waiting": 3})
    first, second = written()
    assert first["request_id"] == "req_1"
    assert (first["level"], first["message"]) == ("warning", "no image from a.org")
    assert "request_id" not in second
    assert second["num_waiting"] == 3


def test_requests_at_the_same_time_keep_their_names(written):
    log = logging.getLogger("palo.serve.test")

    async def one(name):
        with request_named(name):
            for _ in range(5):
                await asyncio.sleep(0)
                log.info("of %s", name)

    async def all_of_them():
        await asyncio.gather(*(one(f"req_{n}") for n in range(10)))

    asyncio.run(all_of_them())
    lines = written()
    assert len(lines) == 50
    assert all(line["message"] == f"of {line['request_id']}" for line in lines)


def test_contents_are_not_written_unless_wanted(written):
    facts = {"model": "m", "language": "ur", "code": "ok", "prompt_tokens": 9, "absent": None}
    RequestLog().write(question="یہ کیا ہے؟", answer="ایک بلی", **facts)
    RequestLog(with_contents=True).write(question="یہ کیا ہے؟", answer="ب" * 9999, **facts)
    silent, open_line = written()
    assert "question" not in silent
    assert "answer" not in silent
    assert "absent" not in silent
    assert (silent["model"], silent["language"], silent["prompt_tokens"]) == ("m", "ur", 9)
    assert open_line["question"] == "یہ کیا ہے؟"
    assert len(open_line["answer"]) == 2000


def test_nobody_writes_a_line_of_their_own(written):
    logging.getLogger("palo.serve.test").info("seen: %s", 'x"}\n{"level": "error", "message": "y')
    (line,) = written()
    assert line["level"] == "info"


def test_faults_are_whole_in_the_log(written):
    try:
        raise KeyError("inside")
    except KeyError:
        logging.getLogger("palo.serve.test").exception("a request failed")
    (line,) = written()
    assert "Traceback" in line["error"]
    assert "inside" in line["error"]
