"""Separates large images from a body before its JSON is parsed.

A large request is almost only base64 images. Without these it can be bounded by the length of
texts, which matters because a parser holds Python's lock: every other request waits for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from palo.api_errors import APIError, APIErrorCode

_OPENING = b'"data:'
_QUOTE = b'"'
_BACKSLASH = 0x5C
_LARGE = 64 << 10
_PIECE = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparatedBody:
    """A body without its large images.

    Attributes:
        text: JSON, with a name in place of each large image.
        files: The images' data: URLs, by name.
    """

    text: bytes | bytearray
    files: Mapping[str, bytes | memoryview] = field(default_factory=lambda: MappingProxyType({}))


def separate_large_images(body: bytes | bytearray, max_text_bytes: int) -> SeparatedBody:
    """Separates the large images of a body from its text.

    Only a whole JSON string that begins with `data:` is separated. A client that writes such a name
    itself only refers to an image of the same request.

    Args:
        body: JSON, not parsed yet.
        max_text_bytes: Most bytes without large images.

    Raises:
        APIError: If there are more.
    """
    if len(body) <= max_text_bytes:
        return SeparatedBody(text=body)
    parts: list[bytes | bytearray] = []
    files: dict[str, bytes | memoryview] = {}
    num_bytes = copied = place = 0
    while True:
        # Nothing beyond the bound is scanned.
        limit = copied + max_text_bytes - num_bytes + len(_OPENING)
        start = body.find(_OPENING, place, limit)
        end = body.find(_QUOTE, start + 1) if start >= 0 else -1
        if end < 0:
            break
        place = start + 1
        if end - start < _LARGE or _is_escaped(body, start) or _is_escaped(body, end):
            continue
        name = f"large-image:{len(files)}"
        files[name] = _without_escapes(body, start + 1, end)
        parts += (body[copied : start + 1], name.encode())
        num_bytes += start + 1 - copied + len(name)
        copied = place = end
    if num_bytes + len(body) - copied > max_text_bytes:
        raise APIError(
            "the prompt is too long",
            fix=f"Send at most {max_text_bytes} bytes of JSON beside images in base64.",
            code=APIErrorCode.CONTEXT_LENGTH_EXCEEDED,
        )
    return SeparatedBody(text=b"".join((*parts, body[copied:])), files=files)


def _is_escaped(body: bytes | bytearray, quote: int) -> bool:
    """Returns whether a quote is escaped, so that it doesn't delimit a base64 string."""
    return quote > 0 and body[quote - 1] == _BACKSLASH


def _without_escapes(body: bytes | bytearray, start: int, end: int) -> bytes | memoryview:
    """Removes the escapes of slashes, as PHP writes them; base64 needs no others."""
    if body.find(b"\\", start, end) < 0:
        return memoryview(body)[start:end]
    return b"".join(_pieces_without_escapes(body, start, end))


def _pieces_without_escapes(body: bytes | bytearray, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        stop = min(start + _PIECE, end)
        if body[stop - 1] == _BACKSLASH:
            stop += 1  # an escape must not be cut in two, and none crosses the end
        yield bytes(body[start:stop].replace(b"\\/", b"/"))
        start = stop
