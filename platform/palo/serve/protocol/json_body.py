"""Parses the JSON of a request, and words what is wrong with it."""

import codecs
from typing import Any

from pydantic import BaseModel, ConfigDict, FailFast, ValidationError
from pydantic_core import from_json

from palo.api_errors import APIError, APIErrorCode

_MAX_SEEN = 80
_MAX_FIELDS = 64


class StrictModel(BaseModel):
    """A model without type coercion."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class FirstFault(FailFast):
    """Stops at the first invalid item of a list, since only one error is reported."""

    __hash__ = object.__hash__  # required by unions


def read_json(body: bytes | bytearray) -> Any:  # noqa: ANN401 - any JSON
    """Returns the values of a body.

    Args:
        body: JSON, with its size and number of values bounded by the caller.

    Raises:
        APIError: If it isn't JSON, or an object of too many fields.
    """
    if body.startswith(codecs.BOM_UTF8):
        body = body[len(codecs.BOM_UTF8) :]
    try:
        # Looking each string up in the cache costs four times as much as creating it.
        values = from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        if "hex escape" in str(error) or "surrogate" in str(error):
            raise invalid("the body has an escape that is no whole character", error) from None
        raise invalid("the body isn't valid JSON", error) from None
    if isinstance(values, dict) and len(values) > _MAX_FIELDS:
        raise invalid(f"a request has at most {_MAX_FIELDS} fields", len(values))
    return values


def invalid(fact: str, seen: object = "", param: str | None = None, fix: str = "") -> APIError:
    """Returns the error for a request that is wrong.

    Args:
        fact: What is wrong.
        seen: The value.
        param: Path of its field.
        fix: What to change.
    """
    shown = str(seen)[:_MAX_SEEN]
    return APIError(fact, seen=shown, fix=fix, param=param, code=APIErrorCode.INVALID_REQUEST)


def too_long(fact: str, seen: int, param: str) -> APIError:
    """Returns the error by which clients know that they must shorten a conversation.

    Some look at the code, others (LangChain, LiteLLM) for these words in the message.

    Args:
        fact: The bound that it exceeds.
        seen: Its length.
        param: Path of its field.
    """
    return APIError(
        f"the prompt is too long, {fact}",
        seen=seen,
        fix="Leave out the oldest turns.",
        param=param,
        code=APIErrorCode.CONTEXT_LENGTH_EXCEEDED,
    )


def malformed(error: ValidationError, kinds_of_part: str) -> APIError:
    """Converts the first of pydantic's errors.

    Args:
        error: The errors.
        kinds_of_part: The types that a part of a message may have, for people.
    """
    first = error.errors(include_url=False, include_context=False)[0]
    param = _path(first["loc"]) or None
    if first["type"] == "union_tag_not_found":
        return invalid(f"a part of a message has the type {kinds_of_part}", param=param)
    message = first["msg"][:1].lower() + first["msg"][1:]
    fact = f"{param} is wrong, {message}" if param else f"the body is wrong, {message}"
    value: Any = first.get("input")
    if isinstance(value, str):
        value = value[:_MAX_SEEN]
    seen = repr(value) if isinstance(value, str | int | float | bool) else ""
    return invalid(fact, seen, param)


def _path(places: tuple[int | str, ...]) -> str:
    """Formats the path of an error, as messages[0].content[1].image_url.url."""
    path = ""
    for place in places:
        if isinstance(place, int):
            path += f"[{place}]"
        elif not place.startswith("#"):
            path += f".{place}" if path else place
    return path
