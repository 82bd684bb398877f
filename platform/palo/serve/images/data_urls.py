"""Images within a request: data: URLs, read strictly and only if they are small enough.

A large one is decoded in pieces: one call on all of it would keep Python's lock, and with it every
other request, for a tenth of a second.
"""

import binascii
import re
from collections.abc import Iterator

from palo.api_errors import APIError, APIErrorCode

_HEAD = re.compile(
    r"data:(image/[\w.+-]{1,40})?(;[\w.+=-]{1,40})*;base64", re.ASCII | re.IGNORECASE
)
_MAX_HEAD = 200
_PIECE = 256 << 10  # of base64: a multiple of four characters, decoded in a millisecond


def is_data_url(url: str) -> bool:
    """Tells whether a URL holds its content itself."""
    return url[:5].lower() == "data:"


def read_data_url(url: str | bytes | memoryview, max_bytes: int, param: str | None) -> bytes:
    """Returns what a data: URL holds.

    Args:
        url: The URL.
        max_bytes: Most bytes it may hold; more are refused before they are decoded.
        param: Field of the request that holds it.

    Raises:
        Refusal: If it is no image in strict base64, or too large.
    """
    head = url[:_MAX_HEAD]
    if not isinstance(head, str):
        head = bytes(head).decode("latin-1")
    comma = head.find(",")
    if comma < 0 or not _HEAD.fullmatch(head, 0, comma):
        raise _unreadable("this data: URL is no image in base64", param)
    num_bytes = (len(url) - comma - 1) // 4 * 3
    if num_bytes > max_bytes + 2:
        raise _too_large(num_bytes, max_bytes, param)
    try:
        data = b"".join(_decoded(url, comma + 1))
    except ValueError:  # binascii.Error is one, and text outside ASCII another
        raise _unreadable("the base64 of this image is damaged or cut off", param) from None
    if len(data) > max_bytes:
        raise _too_large(len(data), max_bytes, param)
    return data


def _decoded(url: str | bytes | memoryview, start: int) -> Iterator[bytes]:
    for place in range(start, len(url), _PIECE):
        piece = url[place : place + _PIECE]
        data = binascii.a2b_base64(piece, strict_mode=True)
        if len(data) * 4 != len(piece) * 3 and place + _PIECE < len(url):
            raise binascii.Error("padding before the end")
        yield data


def _unreadable(fact: str, param: str | None) -> APIError:
    fix = "Write it as data:image/png;base64,... without spaces or line breaks."
    return APIError(fact, fix=fix, code=APIErrorCode.IMAGE_UNREADABLE, param=param)


def _too_large(num_bytes: int, max_bytes: int, param: str | None) -> APIError:
    return APIError(
        "image file too large",
        seen=f"{num_bytes} bytes",
        fix=f"Use one of at most {max_bytes} bytes.",
        code=APIErrorCode.IMAGE_TOO_LARGE,
        param=param,
    )
