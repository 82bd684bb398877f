"""The body of a request to OpenAI's Responses API, read as the chat request that it stands for.

Nothing is stored: each request brings its whole conversation. Fields of OpenAI's that have no
effect here are accepted and ignored; those that would change the answer are rejected.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationError

from palo.serve.protocol.chat_request import (
    ChatRequest,
    Content,
    ImagePart,
    ImageUrl,
    ProtocolBounds,
    RequestMessage,
    TextPart,
    faults_of,
    require_few,
    require_short,
)
from palo.serve.protocol.json_body import FirstFault, StrictModel, invalid, malformed, read_json

LOGPROBS = "message.output_text.logprobs"
"""Value of `include` that asks for log probabilities."""

_MAX_INCLUDED = 16
_MAX_METADATA = 16
_KINDS_OF_PART = '"input_text" or "input_image"'
_STATELESS = "Answers aren't stored: send the whole conversation as input."
_TEXT_ALONE = "The models here answer with text alone."
# Fields that would change the answer, and what to do without them.
_UNDONE = {
    "previous_response_id": _STATELESS,
    "conversation": _STATELESS,
    "prompt": "Prompts aren't stored: send the text as instructions or input.",
    "background": "Use a stream for a long answer.",
    "store": "Answers aren't stored: leave it out, or send false.",
    "tools": _TEXT_ALONE,
    "tool_choice": _TEXT_ALONE,
    "reasoning": "The models here answer at once.",
    "context_management": _STATELESS,
}
_HARMLESS: tuple[object, ...] = (None, False, [], {}, "none", "auto", "medium")
# The names that a chat request has for fields of a Responses request.
_NAMES = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
}


class _Text(StrictModel):
    type: Literal["input_text", "output_text"]
    text: str

    def chat_part(self) -> TextPart:
        return TextPart(type="text", text=self.text)


class _Image(StrictModel):
    type: Literal["input_image"]
    image_url: str = Field(min_length=1)
    detail: Literal["auto", "low", "high", "original"] | None = None

    def chat_part(self) -> ImagePart:
        return ImagePart(type="image_url", image_url=ImageUrl(url=self.image_url))


def _kind_of_part(value: object) -> str | None:
    found = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    kinds = {"input_text": "#text", "output_text": "#text", "input_image": "#image"}
    return kinds.get(str(found))


def _kind_of_content(value: object) -> str:
    return "#text" if isinstance(value, str) else "#parts"


_Part = Annotated[
    Annotated[_Text, Tag("#text")] | Annotated[_Image, Tag("#image")],
    Discriminator(_kind_of_part),
]
_Content = Annotated[
    Annotated[str, Tag("#text")] | Annotated[list[_Part], FirstFault(), Tag("#parts")],
    Discriminator(_kind_of_content),
]


class InputMessage(StrictModel):
    """A message of the input, the user's or one of an earlier answer."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: _Content

    def chat_message(self) -> RequestMessage:
        """Returns it as a message of a chat request."""
        content: Content = (
            self.content
            if isinstance(self.content, str)
            else [part.chat_part() for part in self.content]
        )
        return RequestMessage(role=self.role, content=content)


_Input = Annotated[
    Annotated[str, Tag("#text")] | Annotated[list[InputMessage], FirstFault(), Tag("#parts")],
    Discriminator(_kind_of_content),
]


class TextFormat(StrictModel):
    """The format of an answer; only text is supported."""

    type: str = "text"


class TextSettings(StrictModel):
    """Settings of the answer's text."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesRequest(StrictModel):
    """A request's body; all fields but the last three are OpenAI's."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    model: str = Field(min_length=1, max_length=256)
    input: _Input
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    stream: bool | None = None
    include: Annotated[list[str], FirstFault(), Field(max_length=_MAX_INCLUDED)] | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    text: TextSettings | None = None
    truncation: Literal["auto", "disabled"] | None = None
    top_k: int | None = Field(default=None, ge=0)
    repetition_penalty: float | None = Field(default=None, ge=0.01, le=100)
    language: str | None = Field(default=None, max_length=16)

    @property
    def metadata(self) -> dict[str, str]:
        """What the client wants to find in the response again."""
        sent: dict[str, Any] = self.model_extra or {}
        return sent.get("metadata") or {}

    @property
    def wants_logprobs(self) -> bool:
        """Whether the answer brings log probabilities."""
        return LOGPROBS in (self.include or ()) or bool(self.top_logprobs)

    def messages(self) -> Iterator[tuple[str, RequestMessage]]:
        """Yields the messages of the chat request, each with the path of its field."""
        if self.instructions:
            yield "instructions", RequestMessage(role="system", content=self.instructions)
        if isinstance(self.input, str):
            yield "input", RequestMessage(role="user", content=self.input)
            return
        for number, message in enumerate(self.input):
            yield f"input[{number}]", message.chat_message()

    def undone(self) -> Iterator[tuple[str, str]]:
        """Yields unsupported fields that would change the answer, with what to do instead."""
        sent: dict[str, Any] = self.model_extra or {}
        for name, fix in _UNDONE.items():
            if not _is_harmless(sent.get(name)):
                yield name, fix
        if self.text and not _is_harmless(self.text.verbosity):
            yield "text.verbosity", "Ask for a short or a long answer in words."
        if self.truncation == "auto":
            yield "truncation", "Leave out the oldest turns of a long conversation yourself."

    def chat_request(self) -> ChatRequest:
        """Returns the chat request that asks for the same."""
        return ChatRequest(
            model=self.model,
            messages=[message for _, message in self.messages()],
            temperature=self.temperature,
            top_p=self.top_p,
            stream=self.stream,
            max_completion_tokens=self.max_output_tokens,
            logprobs=self.wants_logprobs,
            top_logprobs=self.top_logprobs,
            top_k=self.top_k,
            repetition_penalty=self.repetition_penalty,
            language=self.language,
        )


def _is_harmless(value: object) -> bool:
    if isinstance(value, dict):  # as {"effort": null}
        return all(each is None for each in value.values())
    return value in _HARMLESS


def read_responses_request(body: bytes | bytearray, bounds: ProtocolBounds) -> ResponsesRequest:
    """Parses and validates a request.

    Args:
        body: JSON, with its size and number of values bounded by the caller.
        bounds: Bounds of its parameters.

    Raises:
        APIError: If it is invalid JSON, an invalid request, or beyond a bound.
    """
    values = read_json(body)
    if isinstance(values, dict):
        require_few(values.get("input"), bounds, "input")
        _require_messages(values.get("input"))
    try:
        request = ResponsesRequest.model_validate(values)
    except ValidationError as error:
        raise malformed(error, _KINDS_OF_PART) from None
    _require_metadata(request.metadata)
    for name, fix in request.undone():
        raise invalid(f"the field {name} isn't supported here", param=name, fix=fix)
    wanted = request.text.format.type if request.text and request.text.format else "text"
    if wanted != "text":
        raise invalid(
            "the answer's format is text", wanted, "text.format.type", "Ask for JSON in words."
        )
    if not request.input:
        raise invalid("input is empty", param="input")
    chat = request.chat_request()
    require_short(chat.messages, bounds, "input")
    for param, fact, seen in faults_of(chat, bounds):
        name = _NAMES.get(param, param)
        raise invalid(fact.replace(param, name), seen, name)
    return request


def _require_messages(items: object) -> None:
    """Rejects items that aren't messages, before a validator would list what they lack."""
    for number, item in enumerate(items if isinstance(items, list) else ()):
        kind = item.get("type", "message") if isinstance(item, dict) else "message"
        if kind != "message":
            raise invalid(
                "the input's items are messages",
                kind,
                f"input[{number}].type",
                "Leave out what other models' tools and reasoning have added.",
            )


def _require_metadata(metadata: object) -> None:
    if (
        not isinstance(metadata, dict)
        or len(metadata) > _MAX_METADATA
        or not all(isinstance(value, str) for value in metadata.values())
    ):
        fact = f"metadata is an object of at most {_MAX_METADATA} texts"
        raise invalid(fact, param="metadata")
