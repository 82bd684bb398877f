"""Requests that cost a server far more than they cost whoever sends them."""

import base64
import struct
import zlib
from functools import cache
from typing import Any

import orjson

KIB, MIB = 1 << 10, 1 << 20


def chat(content: Any, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """Returns the body of a chat completion with one message of a user."""
    return orjson.dumps({"messages": [{"role": "user", "content": content}]} | fields)


def quadratic_cookie(num_bytes: int) -> str:
    """Returns a cookie that Python's own parser takes quadratic time for (CVE-2024-7592)."""
    return 'a="' + '\\"' * (num_bytes // 2)


@cache
def png_bomb(side: int = 30_000) -> bytes:
    """Returns a PNG file of a few hundred KB that claims `side` times `side` white pixels."""
    rows = zlib.compressobj(9)
    row = b"\0" + b"\xff" * (side // 8)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def image_parts(*files: bytes) -> list[dict[str, Any]]:
    """Returns the parts of a message that hold images."""
    urls = [f"data:image/png;base64,{base64.b64encode(file).decode()}" for file in files]
    return [{"type": "image_url", "image_url": {"url": url}} for url in urls]


@cache
def worst_completions(model: str) -> dict[str, bytes]:
    """Returns bodies of chat completions by what they are made of.

    Args:
        model: Name of a model that is there, so that nothing is refused for its name.
    """
    text_bytes = 150 * KIB
    few = {"model": model, "max_tokens": 1}
    deep = b'{"model":"m","messages":' + b"[" * (MIB // 2) + b"]" * (MIB // 2) + b"}"
    wrong = orjson.dumps({"model": model, "messages": [{"role": 1}] * 160_000})
    many = orjson.dumps({"model": model, "messages": [{"role": "user", "content": ""}] * 80_000})
    values = orjson.dumps({"model": model, "metadata": [0] * 499_000, "messages": []})
    keys = orjson.dumps({"model": model, **{f"k{n}": n for n in range(200_000)}, "messages": []})
    return {
        "open mathematics": chat("\\[" * (text_bytes // 2), **few),
        "open brackets": chat("[" * text_bytes, **few),
        "bidirectional marks": chat("\u202a\u2066" * (text_bytes // 6), **few),
        "escaped ampersands": chat("&" + "amp;" * (text_bytes // 4), **few),
        "spaces": chat(" " * text_bytes + "x", **few),
        "backticks": chat("`" * text_bytes + "x", **few),
        "one long word": chat("ক" * (text_bytes // 3), **few),
        "wrong messages": wrong,
        "many messages": many,
        "deep lists": deep,
        "many values": values,
        "many fields": keys,
        "half a base64": chat(
            [{"type": "image_url", "image_url": {"url": _half_an_image()}}], **few
        ),
        "image bomb": chat(image_parts(png_bomb()), **few),
        "eight image bombs": chat(image_parts(*(png_bomb(),) * 8), **few),
        "nothing but stops": chat("x", **few, stop=["\\["] * 100_000),
    }


def _half_an_image() -> list[dict[str, Any]]:
    url = "data:image/png;base64," + "A" * (20 * MIB + 1)
    return [{"type": "image_url", "image_url": {"url": url}}]
