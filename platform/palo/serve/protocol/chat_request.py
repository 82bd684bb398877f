"""The body of a chat completion as clients send it.

What OpenAI's clients may send and what changes nothing here (`user`, `metadata`, `store`, ...) is
taken and left alone. What would change the answer and isn't done (`tools`, JSON formats, penalties
of OpenAI's kind) is refused rather than ignored.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, FailFast, Field, Tag

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
