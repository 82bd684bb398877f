"""Why a server refused a request, from its status and the words of its error.

Servers disagree about statuses: an account without credit is a 402, a 429, a 403 or a 400. The
words decide wherever they are clear. Only fields that hold a server's own words are read: some
errors repeat the request, whose text may say anything.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import orjson

_LONGEST_ERROR = 1 << 16
_MOST_WORDS = 2000
_MOST_NODES = 200
_WORD_FIELDS = ("message", "msg", "detail", "error_msg", "reason", "title")
_CODE_FIELDS = ("code", "type", "status", "error_code", "reasons", "flagged_input_reasons")
_NESTED_FIELDS = ("error", "errors", "details", "innererror", "metadata", "raw", "detail")

FailureKind = Literal[
    "timeout", "connection", "busy", "server_error", "refused", "filtered", "too_long",
    "bad_response", "budget",
]  # fmt: skip
StopKind = Literal["key", "access", "credit", "model", "address"]

_CREDIT = re.compile(
    r"insufficient[ _]?(quota|balance|credit|fund)|billing[ _](hard[ _]limit|not[ _]active)"
    r"|exceeded_current_quota|credit balance"
    r"|(out of|no|more|exhausted|exceeded)[ \w]{0,30} credits?\b"
    r"|arrearage|payment required|余额不足|欠费"
)
_KEY = re.compile(
    r"(incorrect|invalid|wrong|missing)[ _](x-)?api[ _-]?key"
    r"|api[ _]?key[ _](is )?(not valid|invalid)"
)
_MODEL = re.compile(
    r"model_?not_?found|invalid_model|deploymentnotfound|model not exist|invalid model\b"
    r"|model [^ ]{1,100} (does not exist|not found|is not found|was not found|is not available)"
)
_FILTERED = re.compile(
    r"content[ _-]?(filter|polic|management|moderation|block)|content exists risk|responsibleai"
    r"|moderation|flagged|data_inspection|datainspection|inappropriate|prohibited_content"
    r"|usage polic|safety (system|setting|filter|reason|check)|invalid_prompt|high risk|敏感"
)
_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum context|string_above_max_length"
    r"|too many (input )?tokens|too long|entity too large|request too large"
    r"|prompt is too large|reduce (the|your) (length|prompt|input|message)"
)
_TIMEOUT = 408
_CLOSED_BY_CLIENT = 499
_BUSY = (409, 423, 425, 429)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerError:
    """What a server says about a request that it didn't answer.

    Attributes:
        status: The HTTP status; the one within the body if that came with a success.
        words: Its messages and codes in small letters, 2,000 characters at most.
        fields: Names of the request's fields that it complains about.
    """

    status: int
    words: str
    fields: tuple[str, ...] = ()


def read_error(status: int, body: bytes) -> ServerError:
    """Reads the body of an error, whichever of the usual forms it has.

    Args:
        status: The HTTP status.
        body: The response's body.
    """
    try:
        values = orjson.loads(body[:_LONGEST_ERROR]) if len(body) <= _LONGEST_ERROR else None
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict | list):
        text = body[:_MOST_WORDS].decode("utf-8", "replace")
        return ServerError(status=status, words=text.lower())
    words: list[str] = []
    fields: list[str] = []
    for name, text in _own_words(values):
        (fields if name in ("param", "loc") else words).append(text)
    return ServerError(
        status=status,
        words=" ".join(words).lower()[:_MOST_WORDS],
        fields=tuple(field.lower()[:100] for field in fields[:20]),
    )


def hidden_error(values: object) -> ServerError | None:
    """Returns the error in the body of a response with status 200; None if it holds none.

    Args:
        values: The body's JSON values.
    """
    error = values.get("error") if isinstance(values, Mapping) else None
    if not error or (isinstance(values, Mapping) and values.get("choices")):
        return None
    code = error.get("code") if isinstance(error, Mapping) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else HTTPStatus.BAD_REQUEST
    return read_error(status, orjson.dumps({"error": error}))


def _own_words(values: object) -> Iterator[tuple[str, str]]:
    """Yields the texts of an error with the names of their fields, breadth first."""
    waiting: list[tuple[str, Any]] = [("", values)]
    for name, value in waiting:
        if len(waiting) > _MOST_NODES:
            return
        if isinstance(value, str) and name == "raw":  # a relayed error, as text
            yield name, value[:_MOST_WORDS]
        elif isinstance(value, str | int) and not isinstance(value, bool) and name:
            yield name, str(value)[:_MOST_WORDS]
        elif isinstance(value, list):
            waiting += [(name, one) for one in value[:20]]
        elif isinstance(value, Mapping):
            waiting += [(key, value[key]) for key in _kept(value)]


def _kept(value: Mapping[str, Any]) -> list[str]:
    plain = (*_WORD_FIELDS, *_CODE_FIELDS, "param", "loc", "error", "raw")
    nested = (*_NESTED_FIELDS, "message")
    kept = [key for key in plain if isinstance(value.get(key), str | int | list)]
    kept += [key for key in nested if isinstance(value.get(key), dict | list)]
    return list(dict.fromkeys(kept))


def stop_of(error: ServerError) -> StopKind | None:
    """Returns why no further request would be answered either; None if that isn't clear.

    Args:
        error: The server's error.
    """
    status, words = error.status, error.words
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    if status == HTTPStatus.PAYMENT_REQUIRED or _CREDIT.search(words):
        return "credit"
    if status == HTTPStatus.UNAUTHORIZED or _KEY.search(words):
        return "key"
    if status == HTTPStatus.FORBIDDEN:
        return None if _FILTERED.search(words) else "access"
    if status == HTTPStatus.NOT_FOUND or _MODEL.search(words):
        return "model"
    moved = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return "address" if moved or status == HTTPStatus.METHOD_NOT_ALLOWED else None


def kind_of(error: ServerError) -> FailureKind:
    """Returns the kind of failure that an error is.

    Args:
        error: The server's error.
    """
    status = error.status
    if status == _TIMEOUT:
        return "timeout"
    if status in _BUSY:
        return "busy"
    if status == _CLOSED_BY_CLIENT:
        return "server_error"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "refused" if status == HTTPStatus.NOT_IMPLEMENTED else "server_error"
    if status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS or _FILTERED.search(error.words):
        return "filtered"
    too_large = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_URI_TOO_LONG)
    if status in too_large or _TOO_LONG.search(error.words):
        return "too_long"
    return "refused"
