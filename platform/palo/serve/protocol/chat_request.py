"""How much one request may ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, FailFast, Field, Tag, ValidationError
from pydantic_core import from_json

from palo import languages
from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import Sampling

_FRAME_BYTES = 128 << 10
_MAX_SEED = 2**63 - 1
_MAX_STOPS = 64  # the engine takes fewer; here it only bounds what is looked at
_UNDONE = (
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "audio",
    "web_search_options",
)
_HARMLESS: tuple[object, ...] = (None, 0, False, {}, [], "none", "auto")
_MAX_SEEN = 80
_MAX_FIELDS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtocolBounds:
    """Bounds of a request, whatever the model.

    Attributes:
        max_messages: Most messages of a conversation.
        max_parts: Most parts of all messages together, texts and images.
        max_text_characters: Most characters of all messages together, images left out.
        max_images: Most images of a conversation.
        max_choices: Most answers to one request (`n`).
        max_tokens: Most tokens of an answer that may be asked for.
        default_max_tokens: Most tokens of an answer if the request doesn't say.
    """

    max_messages: int = 256
    max_parts: int = 1024
    max_text_characters: int = 200_000
    max_images: int = 8
    max_choices: int = 8
    max_tokens: int = 8192
    default_max_tokens: int = 1024

    @property
    def max_text_bytes(self) -> int:
        """Most bytes of a request's JSON without large images: JSON may take six for a letter."""
        return 6 * self.max_text_characters + _FRAME_BYTES

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in (
            "max_messages",
            "max_parts",
            "max_text_characters",
            "max_choices",
            "default_max_tokens",
        ):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}, it must be at least 1"
        if self.max_images < 0:
            yield f"max_images is {self.max_images}, it can't be negative"
        if self.max_tokens < self.default_max_tokens:
            yield f"max_tokens is {self.max_tokens}, less than default_max_tokens"


class _Strict(BaseModel):
    """Numbers are numbers and texts are texts; nothing is guessed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _FailFast(FailFast):
    """Stops at the first wrong item of a list: more of them than one are told to nobody."""

    __hash__ = object.__hash__  # asked for by unions


class ImageUrl(_Strict):
    """Where an image is: a data: URL, or an address that the server may fetch."""

    url: str = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class TextPart(_Strict):
    """Words."""

    type: Literal["text"]
    text: str


class ImagePart(_Strict):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl


def _kind_of_part(value: object) -> str | None:
    found = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return {"text": "#text", "image_url": "#image"}.get(str(found))


def _kind_of_content(value: object) -> str:
    return "#text" if isinstance(value, str) else "#parts"


# Tags begin with a sign that no field has, so that they can be told from fields in an error.
Part = Annotated[
    Annotated[TextPart, Tag("#text")] | Annotated[ImagePart, Tag("#image")],
    Discriminator(_kind_of_part),
]
Content = Annotated[
    Annotated[str, Tag("#text")] | Annotated[list[Part], _FailFast(), Tag("#parts")],
    Discriminator(_kind_of_content),
]


class RequestMessage(_Strict):
    """What somebody said."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Content

    @property
    def text(self) -> str:
        """Its words, those of several parts in lines of their own."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[str, ...]:
        """Where its images are, in order."""
        if isinstance(self.content, str):
            return ()
        return tuple(part.image_url.url for part in self.content if isinstance(part, ImagePart))


class StreamOptions(_Strict):
    """How an answer is streamed."""

    include_usage: bool = False


class ResponseFormat(_Strict):
    """The form of an answer: words, and nothing else yet."""

    type: Literal["text"]


class ChatRequest(_Strict):
    """One request; fields have OpenAI's names and meaning, but for the last three.

    Attributes:
        top_k: Draws only among this many of the likeliest tokens; 0 for all.
        repetition_penalty: Divides the logits of tokens that were there before; 1 for none.
        language: ISO 639-1 code of the language that the answer should be in.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    model: str = Field(min_length=1, max_length=256)
    messages: Annotated[list[RequestMessage], _FailFast()] = Field(min_length=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    n: int | None = Field(default=None, ge=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | Annotated[list[str], Field(max_length=_MAX_STOPS)] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=-_MAX_SEED, le=_MAX_SEED)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    modalities: Annotated[list[Literal["text"]], _FailFast()] | None = None
    top_k: int | None = Field(default=None, ge=0)
    repetition_penalty: float | None = Field(default=None, ge=0.01, le=100)
    language: str | None = Field(default=None, max_length=16)

    def undone(self) -> Iterator[str]:
        """Yields fields that would change the answer and aren't supported."""
        sent: dict[str, Any] = self.model_extra or {}
        yield from (name for name in _UNDONE if sent.get(name) not in _HARMLESS)

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def wants_usage_event(self) -> bool:
        """Whether a stream ends with an event that tells what it took."""
        return self.stream_options is not None and self.stream_options.include_usage


def read_request(body: bytes | bytearray, bounds: ProtocolBounds) -> ChatRequest:
    """Reads a request and checks what can be checked without a model.

    Counts come before everything else: a body of thousands of wrong messages is refused at once.

    Args:
        body: JSON; whoever calls has bounded its size and the number of its values.
        bounds: How much it may ask for.

    Raises:
        APIError: If it isn't JSON, isn't a chat completion, or asks for too much.
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


def sampling_from(request: ChatRequest, bounds: ProtocolBounds) -> Sampling:
    """Returns how the answers to a request are drawn, all but what ends an answer of the model.

    Without a temperature the likeliest tokens are taken: answers about an image should be right
    before they are varied.

    Raises:
        APIError: If values contradict the engine's ranges.
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
