"""From the bytes of a request to one that is within its bounds."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from palo import languages
from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import Sampling
from palo.serve.protocol.bounds import ProtocolBounds
from palo.serve.protocol.chat_request import ChatRequest

_MAX_SEEN = 80
_MAX_FIELDS = 64


def read_request(body: bytes | bytearray, bounds: ProtocolBounds) -> ChatRequest:
    """Reads a request and checks what can be checked without a model.

    Counts come before everything else: a body of thousands of wrong messages is refused at once.

    Args:
        body: JSON; whoever calls has bounded its size and the number of its values.
        bounds: How much it may ask for.

    Raises:
        Refusal: If it isn't JSON, isn't a chat completion, or asks for too much.
    """
    try:
        # Looking for each text among those seen before costs four times what making it does.
        values = from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError:
        raise _invalid("the body isn't JSON", "", None) from None
    for param, fact, seen in _crowds(values, bounds):
        raise _invalid(fact, seen, param)
    try:
        request = ChatRequest.model_validate(values)
    except ValidationError as error:
        raise _malformed(error) from None
    for param, fact, seen in _excesses(request, bounds):
        raise _invalid(fact, seen, param)
    return request


def sampling_of(request: ChatRequest, bounds: ProtocolBounds) -> Sampling:
    """Returns how the answers to a request are drawn, all but what ends an answer of the model.

    Without a temperature the likeliest tokens are taken: answers about an image should be right
    before they are varied.

    Raises:
        Refusal: If values contradict the engine's ranges.
    """
    num_logprobs = (request.top_logprobs or 0) if request.logprobs else None
    limit = request.max_completion_tokens or request.max_tokens or bounds.default_max_tokens
    sampling = Sampling(
        temperature=request.temperature or 0.0,
        top_p=1.0 if request.top_p is None else request.top_p,
        top_k=request.top_k or 0,
        repetition_penalty=request.repetition_penalty or 1.0,
        seed=request.seed,
        max_tokens=limit,
        stop=request.stops,
        num_logprobs=num_logprobs,
    )
    for fault in sampling.faults():
        raise _invalid(fault, "", fault.partition(" ")[0])
    return sampling


def _crowds(values: Any, bounds: ProtocolBounds) -> Iterator[tuple[str | None, str, object]]:  # noqa: ANN401 - any JSON
    """Yields what there is too much of, whatever it is: field, what is wrong, how many."""
    if not isinstance(values, dict):
        return
    if len(values) > _MAX_FIELDS:
        yield None, f"a request has at most {_MAX_FIELDS} fields", len(values)
    messages = values.get("messages")
    if not isinstance(messages, list):
        return
    if len(messages) > bounds.max_messages:
        most = f"a conversation has at most {bounds.max_messages} messages"
        yield "messages", most, len(messages)
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    num_parts = sum(len(content) for content in contents if isinstance(content, list))
    if num_parts > bounds.max_parts:
        yield "messages", f"messages have at most {bounds.max_parts} parts together", num_parts


def _excesses(request: ChatRequest, bounds: ProtocolBounds) -> Iterator[tuple[str, str, object]]:
    """Yields parameters that are beyond bounds: name, what is wrong, the value."""
    for name in request.undone():
        yield name, f"{name} isn't supported here", ""
    num_characters = sum(len(message.text) for message in request.messages)
    if num_characters > bounds.max_text_characters:
        most = f"messages have at most {bounds.max_text_characters} characters together"
        yield "messages", most, num_characters
    for name, value, most_of_it in (
        ("n", request.n, bounds.max_choices),
        ("max_tokens", request.max_tokens, bounds.max_tokens),
        ("max_completion_tokens", request.max_completion_tokens, bounds.max_tokens),
    ):
        if value is not None and value > most_of_it:
            yield name, f"{name} is at most {most_of_it}", value
    if request.top_logprobs is not None and not request.logprobs:
        yield "top_logprobs", "top_logprobs needs logprobs: true", ""
    if request.stream_options is not None and not request.stream:
        yield "stream_options", "stream_options needs stream: true", ""
    if request.language is not None and not languages.known(request.language):
        known = ", ".join(languages.codes())
        yield "language", f"language is one of {known}", request.language


def _invalid(fact: str, seen: object, param: str | None) -> APIError:
    shown = str(seen)[:_MAX_SEEN]
    return APIError(fact, seen=shown, param=param, code=APIErrorCode.INVALID_REQUEST)


def _malformed(error: ValidationError) -> APIError:
    """Returns what is first wrong in a body, without a word of pydantic's own."""
    first = error.errors(include_url=False, include_context=False)[0]
    param = _path(first["loc"]) or None
    if first["type"] == "union_tag_not_found":
        return _invalid('a part of a message has the type "text" or "image_url"', "", param)
    message = first["msg"][:1].lower() + first["msg"][1:]
    fact = f"{param} is wrong, {message}" if param else f"the body is wrong, {message}"
    value: Any = first.get("input")
    if isinstance(value, str):
        value = value[:_MAX_SEEN]
    seen = repr(value) if isinstance(value, str | int | float | bool) else ""
    return _invalid(fact, seen, param)


def _path(places: tuple[int | str, ...]) -> str:
    """Writes where an error is as people do: messages[0].content[1].image_url.url."""
    path = ""
    for place in places:
        if isinstance(place, int):
            path += f"[{place}]"
        elif not place.startswith("#"):
            path += f".{place}" if path else place
    return path
