"""Server-sent events, as OpenAI's streams use them."""

from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
"""The last event of every stream."""


def event(values: dict[str, Any]) -> bytes:
    """Returns values as one event."""
    return b"data: " + orjson.dumps(values) + b"\n\n"
