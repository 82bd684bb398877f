"""How much one request may ask for."""

from collections.abc import Iterator
from dataclasses import dataclass

_FRAME_BYTES = 128 << 10


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
