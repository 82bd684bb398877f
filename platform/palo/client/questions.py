"""Questions of a client: messages with images, and sampling parameters."""

import base64
from collections.abc import Iterator, Mapping, Sequence
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
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_AVIF_BRANDS = (b"avif", b"avis")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageContent:
    """An image file.

    Attributes:
        data: Its bytes.
        media_type: Its media type, as `image/png`.
    """

    data: bytes = field(repr=False)
    media_type: str

    @classmethod
    def of(cls, data: bytes, name: object = "image") -> "ImageContent":
        """Detects the format of an image by its first bytes.

        Args:
            data: Bytes of the file.
            name: Name of the file, for the error.

        Raises:
            ImageError: If it has none of the formats that servers accept.
        """
        for signature, media_type in _SIGNATURES:
            if data.startswith(signature):
                return cls(data=data, media_type=media_type)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return cls(data=data, media_type="image/webp")
        if data[4:8] == b"ftyp" and data[8:12] in _AVIF_BRANDS:
            return cls(data=data, media_type="image/avif")
        raise ImageError(
            f"{name} is no image that can be sent",
            seen=f"it begins with {data[:8]!r}",
            fix="Use a PNG, JPEG, WebP, AVIF, GIF, TIFF or BMP file.",
        )

    @classmethod
    def read(cls, path: Path) -> "ImageContent":
        """Reads an image file.

        Args:
            path: The file.

        Raises:
            ImageError: If it has none of the formats that servers accept.
            StorageError: If it can't be read.
        """
        return cls.of(storage.read_bytes(path), path)

    @property
    def data_url(self) -> str:
        """The image as a data: URL."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message of a conversation.

    Attributes:
        role: Role of its author.
        text: Its text.
        images: Its images, before the text.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[ImageContent, ...] = ()

    def payload(self) -> dict[str, Any]:
        """Returns the message in OpenAI's format."""
        if not self.images:
            return {"role": self.role, "content": self.text}
        parts: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": image.data_url}} for image in self.images
        ]
        return {"role": self.role, "content": [*parts, {"type": "text", "text": self.text}]}


def user(text: str, *images: ImageContent) -> Message:
    """Returns a user's message.

    Args:
        text: Its text.
        *images: Its images.
    """
    return Message(role="user", text=text, images=images)


def assistant(text: str) -> Message:
    """Returns a model's message.

    Args:
        text: Its text.
    """
    return Message(role="assistant", text=text)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatQuestion:
    """A question to a model, with its conversation.

    Attributes:
        model: Name of the model.
        messages: The conversation; its last message is the user's.
        language: ISO code of the answer's language; None leaves it to the model. Other servers than
            palo's may reject it.
        temperature: 0 for greedy decoding; None for the server's default.
        max_tokens: Most tokens of the answer; None for the server's default.
        stop: Texts that end the answer.
        seed: Seed of the sampling, for servers that support it.
        top_p: Share of probability that is sampled from; None for the server's default.
        more: Further fields of the body, for servers that know them.
    """

    model: str
    messages: Sequence[Message]
    language: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_p: float | None = None
    more: Mapping[str, object] = field(default_factory=dict)

    def payload(self, *, stream: bool) -> dict[str, Any]:
        """Returns the body of the request.

        Args:
            stream: Whether to request a stream, with its usage.
        """
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
        yield "top_p", self.top_p
        yield from self.more.items()
