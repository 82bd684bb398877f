"""What is asked: messages with images, and how the answer is chosen."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from palo import storage
from palo.errors import ImageError

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageContent:
    """The bytes of an image's file.

    Attributes:
        data: The bytes.
        media_type: Their kind, as `image/png`.
    """

    data: bytes = field(repr=False)
    media_type: str

    @classmethod
    def of(cls, data: bytes, name: object = "image") -> "ImageContent":
        """Returns a file's bytes as an image; only its first bytes are looked at.

        Raises:
            ImageError: If they begin like none of the formats that servers take.
        """
        for signature, media_type in _SIGNATURES:
            if data.startswith(signature):
                return cls(data=data, media_type=media_type)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return cls(data=data, media_type="image/webp")
        raise ImageError(
            f"{name} is no image that can be sent",
            seen=f"it begins with {data[:8]!r}",
            fix="Use a PNG, JPEG, WebP, GIF or BMP file.",
        )

    @classmethod
    def read(cls, path: Path) -> "ImageContent":
        """Returns the image of a file.

        Raises:
            ImageError: If it is none.
            StorageError: If it can't be read.
        """
        return cls.of(storage.read_bytes(path), path)

    @property
    def data_url(self) -> str:
        """The image within an address, as requests hold it."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What one side said.

    Attributes:
        role: Who.
        text: The words.
        images: What was shown with them.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[ImageContent, ...] = ()

    def payload(self) -> dict[str, Any]:
        """Returns the message as OpenAI's protocol writes it."""
        if not self.images:
            return {"role": self.role, "content": self.text}
        parts: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": image.data_url}} for image in self.images
        ]
        return {"role": self.role, "content": [*parts, {"type": "text", "text": self.text}]}


def user(text: str, *images: ImageContent) -> Message:
    """Returns what the user says, with images."""
    return Message(role="user", text=text, images=images)


def assistant(text: str) -> Message:
    """Returns what the model said."""
    return Message(role="assistant", text=text)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatQuestion:
    """A request for an answer.

    Attributes:
        model: Name of the model.
        messages: What was said so far; the last message is the user's.
        language: ISO code of the language to answer in; None leaves it to the model. Servers other
            than ours may refuse it.
        temperature: 0 always takes the likeliest words; None leaves it to the server.
        max_tokens: Most tokens of the answer; None leaves it to the server.
        stop: Texts at which the answer ends.
        seed: Makes answers of the same question equal where the server can.
    """

    model: str
    messages: Sequence[Message]
    language: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def payload(self, *, stream: bool) -> dict[str, Any]:
        """Returns the body of the request."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [message.payload() for message in self.messages],
        }
        body |= {name: value for name, value in self._chosen() if value is not None}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def _chosen(self) -> Iterator[tuple[str, object]]:
        yield "language", self.language
        yield "temperature", self.temperature
        yield "max_tokens", self.max_tokens
        yield "stop", list(self.stop) or None
        yield "seed", self.seed
