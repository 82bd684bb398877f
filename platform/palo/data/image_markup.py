"""Markup in a turn's text that stands for an image, other than `<image>`.

What names the image's place is brought into the one form, `<image>`. What names an image that is
not read is found, so that no row is trained without an image that its author meant.
"""

import re

from palo.text.code_spans import CodeSpans

PLACE = "<image>"

_PLACES = re.compile(
    r"<\|vision_start\|>(?:<\|image_pad\|>)++<\|vision_end\|>"
    r"|(?:<\|image_pad\|>)++|<\|image(?:_\d{1,3})?\|>"
    r"|<image[ _]?\d{1,3}>|<I(?:mage|MAGE)>|<ImageHere>|<image_placeholder>|<image_soft_token>"
)
# Qwen-VL's own: `Picture 1: <img>a.jpg</img>`.
_NAMED = re.compile(r"(?:Picture ?\d{0,3}: ?)?<img>([^<>\n]{1,4096})</img>\n?")
_UNREAD = re.compile(
    r"<img\b|<\|(?:image|vision|video|audio)|!\[[^\[\]\n]{0,500}\]\(|data:image/|<video>|<audio>"
)
_SIGN = re.compile(r"<\||<im(?:g|age[ _\d])|<I[mM]|!\[|data:image/|<(?:video|audio)>")
_CODE = CodeSpans()
_SHOWN = 60


def has_sign(text: str) -> bool:
    """Returns whether a text may hold such markup; fast, for every turn.

    Args:
        text: A turn's text.
    """
    return _SIGN.search(text) is not None


def with_places(text: str) -> tuple[str, list[str]]:
    """Writes every image's place as `<image>`.

    Args:
        text: A turn's text.

    Returns:
        The text, and the images that its markup names.
    """
    named: list[str] = _NAMED.findall(text)
    if named:
        text = _NAMED.sub(PLACE + "\n", text)
    if PLACE not in text:
        text = _PLACES.sub(PLACE, text)
    return text, named


def unread_markup(text: str) -> str | None:
    """Returns the first markup in a text that shows an image; None without any. Code is words.

    Args:
        text: A turn's text, its places written as `<image>`.
    """
    pieces, end = [], 0
    for start, stop in _CODE.find(text):
        pieces.append(text[end:start])
        end = stop
    words = " ".join([*pieces, text[end:]])
    found = _UNREAD.search(words)
    return None if found is None else words[found.start() : found.start() + _SHOWN]


def stands_for_an_image(text: str) -> bool:
    """Returns whether a text has markup that can only stand for an image's place.

    Args:
        text: A turn's text.
    """
    return _PLACES.search(text) is not None or _NAMED.search(text) is not None
