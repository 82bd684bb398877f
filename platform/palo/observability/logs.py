"""Logs as JSON lines, each with the id of its request.

Questions and answers are logged only if the operator enables it; images never.
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
    """Sets the request id of all lines that the block logs.

    Args:
        request_id: The id.
    """
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON, with the fields of its `extra`."""

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
    """Writes palo's loggers as JSON lines; those of other libraries are unchanged.

    Args:
        stream: Stream to write to; standard error by default.
        level: Lowest level that is written.
    """
    logger = logging.getLogger("palo")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


class RequestLog:
    """Writes one line for each request at its end.

    Args:
        with_contents: Writes questions and answers too, cut to 2,000 characters each.
    """

    def __init__(self, *, with_contents: bool = False) -> None:
        self._with_contents = with_contents
        self._log = logging.getLogger(_REQUESTS)

    def write(self, *, question: str = "", answer: str = "", **facts: object) -> None:
        """Writes a line.

        Args:
            question: The question; written only with contents.
            answer: The answer; written only with contents.
            facts: Other fields, as model, language, code, seconds and tokens.
        """
        fields = {key: value for key, value in facts.items() if value is not None}
        if self._with_contents:
            fields |= {"question": question[:_MAX_TEXT], "answer": answer[:_MAX_TEXT]}
        self._log.info("request", extra=fields)
