"""Logs as JSON lines, each with the name of the request that it is about.

What people ask, and their images, are in no line unless somebody asked for it.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any

_request_id: ContextVar[str | None] = ContextVar("palo_request_id", default=None)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MAX_TEXT = 2000
_REQUESTS = "palo.requests"


@contextmanager
def request_named(request_id: str) -> Iterator[None]:
    """Names the request that all lines of the block are about."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; fields given as `extra` are its own."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := _request_id.get()) is not None:
            line["request_id"] = request_id
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_logging(stream: IO[str] | None = None, level: int = logging.INFO) -> None:
    """Writes what our loggers say as JSON lines; other libraries' stay as they are.

    Args:
        stream: Where to; standard error by default.
        level: Least level that is written.
    """
    logger = logging.getLogger("palo")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


class RequestLog:
    """Writes one line for each request that has ended.

    Args:
        with_contents: Writes what was asked and answered too, cut to 2,000 characters each;
            images never.
    """

    def __init__(self, *, with_contents: bool = False) -> None:
        self._with_contents = with_contents
        self._log = logging.getLogger(_REQUESTS)

    def write(self, *, question: str = "", answer: str = "", **facts: object) -> None:
        """Writes a line.

        Args:
            question: What was asked; left out unless contents are wanted.
            answer: What was answered; left out unless contents are wanted.
            facts: What else is known, for example model, language, code, seconds and tokens.
        """
        told = {key: value for key, value in facts.items() if value is not None}
        if self._with_contents:
            told |= {"question": question[:_MAX_TEXT], "answer": answer[:_MAX_TEXT]}
        self._log.info("request", extra=told)
