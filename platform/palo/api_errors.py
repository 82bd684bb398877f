"""Errors of the API, each with a code, an HTTP status and OpenAI's type of error.

Clients distinguish errors by the code; the chat page has a message for each in every language.
"""

import math
from enum import StrEnum
from typing import Any

from palo.errors import PaloError


class APIErrorCode(StrEnum):
    """The values of `error.code` in responses."""

    INVALID_API_KEY = "invalid_api_key"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    OVERLOADED = "overloaded"
    MODEL_NOT_FOUND = "model_not_found"
    NO_MODEL = "no_model"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    INVALID_REQUEST = "invalid_request"
    UNKNOWN_PATH = "unknown_path"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    URL_TOO_LONG = "url_too_long"
    HEADERS_TOO_LARGE = "headers_too_large"
    BODY_TOO_LARGE = "body_too_large"
    IMAGE_UNREADABLE = "image_unreadable"
    IMAGE_TOO_LARGE = "image_too_large"
    TOO_MANY_IMAGES = "too_many_images"
    REMOTE_IMAGE_FORBIDDEN = "remote_image_forbidden"
    REMOTE_IMAGE_FAILED = "remote_image_failed"
    REPLICA_LOST = "replica_lost"
    TIMEOUT = "timeout"
    INTERNAL = "internal"

    @property
    def status(self) -> int:
        """The HTTP status of such an error."""
        return _STATUS.get(self, 400)

    @property
    def type(self) -> str:
        """OpenAI's type of such an error."""
        return _TYPE.get(self, "server_error" if self.status >= 500 else "invalid_request_error")


_STATUS = {
    APIErrorCode.INVALID_API_KEY: 401,
    APIErrorCode.RATE_LIMIT_EXCEEDED: 429,
    APIErrorCode.OVERLOADED: 503,
    APIErrorCode.MODEL_NOT_FOUND: 404,
    APIErrorCode.NO_MODEL: 503,
    APIErrorCode.UNKNOWN_PATH: 404,
    APIErrorCode.METHOD_NOT_ALLOWED: 405,
    APIErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    APIErrorCode.URL_TOO_LONG: 414,
    APIErrorCode.HEADERS_TOO_LARGE: 431,
    APIErrorCode.BODY_TOO_LARGE: 413,
    APIErrorCode.REPLICA_LOST: 503,
    APIErrorCode.TIMEOUT: 504,
    APIErrorCode.INTERNAL: 500,
}
_TYPE = {
    APIErrorCode.INVALID_API_KEY: "authentication_error",
    APIErrorCode.RATE_LIMIT_EXCEEDED: "rate_limit_error",
    APIErrorCode.OVERLOADED: "overloaded_error",
}
# Every 401 names a way to authenticate; browsers open no dialog for this one.
_CHALLENGE = 'Bearer realm="api"'


class APIError(PaloError):
    """An error of a request, as its client gets it.

    Args:
        fact: See `PaloError`; it must hold no secret.
        seen: See `PaloError`.
        fix: See `PaloError`.
        code: The error's code.
        param: Path of the field at fault, as `messages[0].content[1].image_url`.
        retry_after_s: Seconds until another try is sensible; None if it never is.
        allow: The methods of the path, for `METHOD_NOT_ALLOWED`.
    """

    def __init__(
        self,
        fact: str,
        *,
        seen: object = "",
        fix: str = "",
        code: APIErrorCode = APIErrorCode.INTERNAL,
        param: str | None = None,
        retry_after_s: float | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        super().__init__(fact, seen=seen, fix=fix)
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.allow = allow

    @property
    def message(self) -> str:
        """The message for people."""
        return str(self)

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """Returns the response's body in OpenAI's format.

        Args:
            request_id: Id of the request in the server's log.
        """
        error: dict[str, Any] = {
            "message": self.message,
            "type": self.code.type,
            "param": self.param,
            "code": self.code.value,
        }
        return {"error": error | ({"request_id": request_id} if request_id else {})}

    def headers(self) -> dict[str, str]:
        """Returns the response's own headers."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        if self.code is APIErrorCode.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(self.allow)
        if self.code is APIErrorCode.INVALID_API_KEY:
            headers["WWW-Authenticate"] = _CHALLENGE
        return headers
