"""How requests end in a replica: what their clients are told, and the line that the log gets."""

import logging
import time
from collections.abc import Sequence

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, DataError, PaloError
from palo.inference.errors import EngineClosedError, EngineFullError
from palo.observability.metrics import CANCELLED, OK
from palo.serve.protocol.generate import GenerateRequest, Item

_LOG = logging.getLogger(__name__)


class Ending:
    """Notes how a request ends, for a line of the log with the name that its client knows.

    Args:
        ask: The request.
        replica: Names the replica.
    """

    def __init__(self, ask: GenerateRequest, replica: str) -> None:
        self._code: str | None = None
        self._ask = ask
        self._replica = replica
        self._started_s = time.monotonic()

    def saw(self, items: Sequence[Item]) -> None:
        """Looks whether one of the items says why there is no answer."""
        for item in items:
            if isinstance(item, APIError):
                self._code = item.code.value

    def came(self) -> None:
        """Notes that the answer came to its end."""
        self._code = self._code or OK

    def write(self) -> None:
        """Writes the line; nobody said how it ended if its client has left."""
        facts = {
            "request_id": self._ask.request_id,
            "model": self._ask.model,
            "replica": self._replica,
            "code": self._code or CANCELLED,
            "total_s": round(time.monotonic() - self._started_s, 3),
            "images": len(self._ask.images),
        }
        _LOG.info("answer", extra=facts)


def api_error_for(error: PaloError, request_id: str) -> APIError:
    """Returns what a client is told about an error.

    Args:
        error: What went wrong.
        request_id: Names the request in the log.
    """
    if isinstance(error, APIError):
        return error
    if isinstance(error, EngineFullError):
        return APIError(
            error.fact,
            fix=error.fix,
            code=APIErrorCode.OVERLOADED,
            retry_after_s=error.retry_after_s,
        )
    if isinstance(error, EngineClosedError):
        return APIError(error.fact, fix=error.fix, code=APIErrorCode.REPLICA_LOST)
    if isinstance(error, ConfigError):
        return APIError(
            error.fact, seen=error.seen, fix=error.fix, code=APIErrorCode.INVALID_REQUEST
        )
    if isinstance(error, DataError):
        return APIError(
            error.fact,
            seen=error.seen,
            fix=error.fix,
            param="messages",
            code=APIErrorCode.CONTEXT_LENGTH_EXCEEDED,
        )
    _LOG.error("a request failed", exc_info=error, extra={"request_id": request_id})
    return APIError("the model failed", fix="Ask again.", code=APIErrorCode.INTERNAL)
