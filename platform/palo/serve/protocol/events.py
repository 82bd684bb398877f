"""Server-sent events, as OpenAI's streams use them."""

from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
"""The last event of every stream."""

KEEP_ALIVE = b": the answer is coming\n\n"
"""A comment: no event, but something to read."""


def event(values: dict[str, Any]) -> bytes:
    """Returns values as one event."""
    return b"data: " + orjson.dumps(values) + b"\n\n"
