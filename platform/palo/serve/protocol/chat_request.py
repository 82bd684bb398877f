"""The body of a chat completion request: its fields, bounds and parsing.

Fields of OpenAI's that have no effect here (`user`, `metadata`, `store`, ...) are accepted and
ignored. Unsupported ones that would change the answer (`tools`, JSON formats, OpenAI's penalties)
are rejected, not ignored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationError

from palo import languages
from palo.inference.request import Sampling
from palo.serve.protocol.json_body import (
    FirstFault,
    StrictModel,
    invalid,
    malformed,
    read_json,
    too_long,
)

_FRAME_BYTES = 128 << 10
_MAX_SEED = 2**63 - 1
_MAX_STOPS = 64  # the engine takes fewer; this only bounds the parsing
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
    "reasoning_effort",
    "verbosity",
)
_HARMLESS: tuple[object, ...] = (None, 0, False, {}, [], "none", "auto", "medium")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtocolBounds:
    """Bounds of a request's parameters, independent of the model.

    Attributes:
        max_messages: Most messages of a conversation.
        max_parts: Most parts of all messages, texts and images.
        max_text_characters: Most characters of all messages, without images.
        max_images: Most images of a conversation.
        max_choices: Most choices of a request (`n`).
        max_tokens: Largest `max_tokens` of a request.
        default_max_tokens: Most tokens of an answer by default.
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
        """Most bytes of a request's JSON without large images; a character has up to six."""
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


class ImageUrl(StrictModel):
    """The URL of an image: a data: URL, or an address for the server to fetch."""

    url: str = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class TextPart(StrictModel):
    """A text in a message."""

    type: Literal["text"]
    text: str


class ImagePart(StrictModel):
    """An image in a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


def _kind_of_part(value: object) -> str | None:
    found = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return {"text": "#text", "image_url": "#image"}.get(str(found))


def _kind_of_content(value: object) -> str:
    return "#text" if isinstance(value, str) else "#parts"


# Tags begin with "#", which no field does, so that they can be left out of an error's path.
Part = Annotated[
    Annotated[TextPart, Tag("#text")] | Annotated[ImagePart, Tag("#image")],
    Discriminator(_kind_of_part),
]
Content = Annotated[
    Annotated[str, Tag("#text")] | Annotated[list[Part], FirstFault(), Tag("#parts")],
    Discriminator(_kind_of_content),
]


class RequestMessage(StrictModel):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Content

    @property
    def text(self) -> str:
        """Its text, with each part on a line of its own."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[str, ...]:
        """URLs of its images, in order."""
        if isinstance(self.content, str):
            return ()
        return tuple(part.image_url.url for part in self.content if isinstance(part, ImagePart))


class StreamOptions(StrictModel):
    """Options of a streamed completion."""

    include_usage: bool = False


class ResponseFormat(StrictModel):
    """The format of an answer; only text is supported."""

    type: str = Field(max_length=64)


class ChatRequest(StrictModel):
    """A request's body; all fields but the last three are OpenAI's.

    Attributes:
        top_k: Samples only from this many of the most probable tokens; 0 for all.
        repetition_penalty: Divides the logits of tokens that occurred before; 1 for none.
        language: ISO 639-1 code of the answer's language.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    model: str = Field(min_length=1, max_length=256)
    messages: Annotated[list[RequestMessage], FirstFault()] = Field(min_length=1)
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
    modalities: Annotated[list[Literal["text"]], FirstFault()] | None = None
    top_k: int | None = Field(default=None, ge=0)
    repetition_penalty: float | None = Field(default=None, ge=0.01, le=100)
    language: str | None = Field(default=None, max_length=16)

    def undone(self) -> Iterator[str]:
        """Yields unsupported fields that would change the answer."""
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
        """Whether a stream ends with an event of its usage."""
        return self.stream_options is not None and self.stream_options.include_usage


def read_request(body: bytes | bytearray, bounds: ProtocolBounds) -> ChatRequest:
    """Parses and validates a request.

    Counts are checked first, so that a body of thousands of invalid messages is rejected at once.

    Args:
        body: JSON, with its size and number of values bounded by the caller.
        bounds: Bounds of its parameters.

    Raises:
        APIError: If it is invalid JSON, an invalid request, or beyond a bound.
    """
    values = read_json(body)
    if isinstance(values, dict):
        require_few(values.get("messages"), bounds, "messages")
    try:
        request = ChatRequest.model_validate(values)
    except ValidationError as error:
        raise malformed(error, '"text" or "image_url"') from None
    require_short(request.messages, bounds, "messages")
    for param, fact, seen in faults_of(request, bounds):
        raise invalid(fact, seen, param)
    return request


def sampling_from(request: ChatRequest, bounds: ProtocolBounds) -> Sampling:
    """Returns the sampling parameters of a request, without the model's stop ids.

    The default is greedy decoding, since answers about an image should be right rather than varied.

    Args:
        request: The request.
        bounds: Bounds, with the default number of tokens.

    Raises:
        APIError: If a parameter is outside the engine's range.
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
        raise invalid(fault, "", fault.partition(" ")[0])
    return sampling


def require_few(messages: Any, bounds: ProtocolBounds, param: str) -> None:  # noqa: ANN401 - any JSON
    """Checks the counts of messages that haven't been validated.

    Args:
        messages: The messages.
        bounds: Bounds of their number.
        param: Their field.

    Raises:
        APIError: If there are too many of them, or of their parts.
    """
    if not isinstance(messages, list):
        return
    if len(messages) > bounds.max_messages:
        most = f"a conversation has at most {bounds.max_messages} messages"
        raise too_long(most, len(messages), param)
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    num_parts = sum(len(content) for content in contents if isinstance(content, list))
    if num_parts > bounds.max_parts:
        most = f"messages have at most {bounds.max_parts} parts together"
        raise invalid(most, num_parts, param)


def require_short(messages: Sequence[RequestMessage], bounds: ProtocolBounds, param: str) -> None:
    """Checks the length of all texts together.

    Args:
        messages: The messages.
        bounds: Bound of their length.
        param: Their field.

    Raises:
        APIError: If they are too long.
    """
    num_characters = sum(len(message.text) for message in messages)
    if num_characters > bounds.max_text_characters:
        most = f"messages have at most {bounds.max_text_characters} characters together"
        raise too_long(most, num_characters, param)


def faults_of(request: ChatRequest, bounds: ProtocolBounds) -> Iterator[tuple[str, str, object]]:
    """Yields parameters that are beyond their bounds or not supported: name, fact, value.

    Args:
        request: The request.
        bounds: Bounds of its parameters.
    """
    for name in request.undone():
        yield name, f"the field {name} isn't supported here", ""
    if request.response_format is not None and request.response_format.type != "text":
        wanted = request.response_format.type
        yield "response_format.type", "the answer's format is text, ask for JSON in words", wanted
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
