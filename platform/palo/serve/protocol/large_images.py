"""Takes large images out of a body before its JSON is parsed.

Of a large request all but a little is images in base64. No parser has to look at these, and what is
left can be bounded by what people write: a parser keeps Python's lock while it works, so that every
other request would wait for the longest body that anybody may send.
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
    """A body in two parts.

    Attributes:
        text: JSON, with a name in place of each large image.
        files: The data: URLs of these, by name.
    """

    text: bytes | bytearray
    files: Mapping[str, bytes | memoryview] = field(default_factory=lambda: MappingProxyType({}))


def separate_large_images(body: bytes | bytearray, max_text_bytes: int) -> SeparatedBody:
    """Separates the large images of a body from its text.

    Only a whole JSON string that begins with `data:` is taken out. A name that a client makes up
    leads to nothing but an image of the same request.

    Args:
        body: JSON, not looked at yet.
        max_text_bytes: Most bytes of it without large images.

    Raises:
        APIError: If there are more.
    """
    if len(body) <= max_text_bytes:
        return SeparatedBody(text=body)
    parts: list[bytes | bytearray] = []
    files: dict[str, bytes | memoryview] = {}
    num_bytes = copied = place = 0
    while True:
        # Beyond the bound nothing is looked at.
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
            "the request has too much text",
            fix=f"Send at most {max_text_bytes} bytes of JSON beside images in base64.",
            code=APIErrorCode.BODY_TOO_LARGE,
        )
    return SeparatedBody(text=b"".join((*parts, body[copied:])), files=files)


def _is_escaped(body: bytes | bytearray, quote: int) -> bool:
    """Tells whether a quote follows a backslash: it is within a text, or ends none in base64."""
    return quote > 0 and body[quote - 1] == _BACKSLASH


def _without_escapes(body: bytes | bytearray, start: int, end: int) -> bytes | memoryview:
    """Undoes the escapes of slashes, as PHP writes them; others have no place in base64."""
    if body.find(b"\\", start, end) < 0:
        return memoryview(body)[start:end]
    return b"".join(_pieces_without_escapes(body, start, end))


def _pieces_without_escapes(body: bytes | bytearray, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        stop = min(start + _PIECE, end)
        if body[stop - 1] == _BACKSLASH:
            stop += 1  # no escape is cut in two, and none reaches beyond the end
        yield bytes(body[start:stop].replace(b"\\/", b"/"))
        start = stop
