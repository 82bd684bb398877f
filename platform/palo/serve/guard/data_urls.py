"""Pictures within a request: data: URLs, read strictly and only if they are small enough."""

import base64
import binascii
import re

from palo.serve.refusal_codes import Refusal, RefusalCode

_HEAD = re.compile(
    r"data:(image/[\w.+-]{1,40})?(;[\w.+=-]{1,40})*;base64", re.ASCII | re.IGNORECASE
)
_MAX_HEAD = 200


def is_data_url(url: str) -> bool:
    """Tells whether a URL holds its content itself."""
    return url[:5].lower() == "data:"


def read_data_url(url: str, max_bytes: int, param: str | None) -> bytes:
    """Returns what a data: URL holds.

    Args:
        url: The URL.
        max_bytes: Most bytes it may hold; more are refused before they are decoded.
        param: Field of the request that holds it.

    Raises:
        Refusal: If it is no picture in strict base64, or too large.
    """
    comma = url.find(",", 0, _MAX_HEAD)
    if comma < 0 or not _HEAD.fullmatch(url, 0, comma):
        raise _unreadable("this data: URL is no picture in base64", param)
    num_characters = len(url) - comma - 1
    num_bytes = num_characters // 4 * 3
    if num_bytes > max_bytes + 2:
        raise _too_large(num_bytes, max_bytes, param)
    try:
        data = base64.b64decode(url[comma + 1 :].encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _unreadable("the base64 of this picture is damaged or cut off", param) from None
    if len(data) > max_bytes:
        raise _too_large(len(data), max_bytes, param)
    return data


def _unreadable(fact: str, param: str | None) -> Refusal:
    fix = "Write it as data:image/png;base64,... without spaces or line breaks."
    return Refusal(fact, fix=fix, code=RefusalCode.IMAGE_UNREADABLE, param=param)


def _too_large(num_bytes: int, max_bytes: int, param: str | None) -> Refusal:
    return Refusal(
        "image file too large",
        seen=f"{num_bytes} bytes",
        fix=f"Use one of at most {max_bytes} bytes.",
        code=RefusalCode.IMAGE_TOO_LARGE,
        param=param,
    )
