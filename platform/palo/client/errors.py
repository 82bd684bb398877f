"""Errors of a client, each with a code for programs."""

from collections.abc import Mapping
from enum import StrEnum

import httpx

from palo.api_errors import APIErrorCode
from palo.endpoint.replies import BadJsonError, parse_json
from palo.errors import PaloError
from palo.retries import retry_after_s

# The longest reply, except for streams.
MAX_REPLY_BYTES = 4 << 20
_MAX_MESSAGE = 500
_MAX_ID = 200
_BY_STATUS = {
    401: APIErrorCode.INVALID_API_KEY,
    403: APIErrorCode.INVALID_API_KEY,
    404: APIErrorCode.MODEL_NOT_FOUND,
    408: APIErrorCode.TIMEOUT,
    413: APIErrorCode.BODY_TOO_LARGE,
    429: APIErrorCode.RATE_LIMIT_EXCEEDED,
    503: APIErrorCode.OVERLOADED,
    504: APIErrorCode.TIMEOUT,
}


class ClientErrorCode(StrEnum):
    """Codes of errors that a client detects itself."""

    UNREACHABLE = "unreachable"
    """The server can't be reached."""
    CUT_OFF = "cut_off"
    """The connection ended in the middle of an answer."""
    NOT_UNDERSTOOD = "not_understood"
    """The reply breaks OpenAI's protocol."""


EndpointErrorCode = APIErrorCode | ClientErrorCode


class EndpointError(PaloError):
    """A request that failed, maybe in the middle of its answer.

    Args:
        fact: See `PaloError`.
        seen: See `PaloError`.
        fix: See `PaloError`.
        code: The server's code, or the client's own.
        request_id: The server's id of the request, for its operators.
        retry_after_s: Seconds until another try is sensible; None if unknown.
    """

    def __init__(
        self,
        fact: str,
        *,
        seen: object = "",
        fix: str = "",
        code: EndpointErrorCode = APIErrorCode.INTERNAL,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(fact, seen=seen, fix=fix)
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s


def error_from_response(status: int, headers: Mapping[str, str], body: bytes) -> EndpointError:
    """Converts a response of status 300 or more.

    Args:
        status: Its status.
        headers: Its headers.
        body: Its body, without the client's key.
    """
    try:
        values = parse_json(body, max_bytes=MAX_REPLY_BYTES)
    except BadJsonError:
        values = None
    error = values.get("error") if isinstance(values, dict) else None
    return error_from_body(error, status=status, headers=headers)


def error_from_body(
    error: object, *, status: int = 500, headers: Mapping[str, str] | None = None
) -> EndpointError:
    """Converts OpenAI's error object.

    Args:
        error: The value of `error` in a body or an event.
        status: Status of the response, used where the object has no known code.
        headers: Headers of the response.
    """
    fields = error if isinstance(error, dict) else {}
    headers = headers or {}
    try:
        code = APIErrorCode(_text(fields.get("code")))
    except ValueError:
        other = APIErrorCode.INTERNAL if status >= 500 else APIErrorCode.INVALID_REQUEST
        code = _BY_STATUS.get(status, other)
    message = (_text(fields.get("message")) or f"status {status}")[:_MAX_MESSAGE].rstrip(".")
    request_id = headers.get("x-request-id") or _text(fields.get("request_id"))
    return EndpointError(
        "the server refuses the request",
        seen=message,
        code=code,
        request_id=request_id[:_MAX_ID] or None,
        retry_after_s=retry_after_s(headers.get("retry-after", "")),
    )


def _text(value: object) -> str:
    """Returns a field that should be text; "" for anything else."""
    return value if isinstance(value, str) else ""


def protocol_error(address: object, seen: object) -> EndpointError:
    """Returns the error for a reply that breaks OpenAI's protocol.

    Args:
        address: Address of the server.
        seen: Excerpt of the reply.
    """
    return EndpointError(
        f"{address} doesn't speak OpenAI's protocol",
        seen=str(seen)[:_MAX_MESSAGE],
        fix="Check the address.",
        code=ClientErrorCode.NOT_UNDERSTOOD,
    )


def transport_error(
    error: httpx.HTTPError | httpx.InvalidURL, url: str, *, begun: bool
) -> EndpointError:
    """Converts an error of httpx.

    Args:
        error: The error.
        url: Address of the server.
        begun: Whether the answer had begun.
    """
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return EndpointError(
            f"{url} has been silent for too long",
            fix="Try again, or wait longer.",
            code=APIErrorCode.TIMEOUT,
        )
    if begun:
        return EndpointError(
            "the connection ended in the middle of the answer",
            seen=url,
            fix="Ask again.",
            code=ClientErrorCode.CUT_OFF,
        )
    return EndpointError(
        f"nothing answers at {url}",
        seen=str(error)[:_MAX_MESSAGE] or type(error).__name__,
        fix="Start the server, or correct the address.",
        code=ClientErrorCode.UNREACHABLE,
    )


def timeout_error(url: str) -> EndpointError:
    """Returns the error for an answer that takes too long altogether.

    Args:
        url: Address of the server.
    """
    return EndpointError(
        f"{url} has not ended its answer in time",
        fix="Try again, or wait longer.",
        code=APIErrorCode.TIMEOUT,
    )
