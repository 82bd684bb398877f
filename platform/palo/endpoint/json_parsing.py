"""JSON from strangers: whatever they send, there is a value or one ValueError."""

from typing import Any

import orjson

# What a request can be billed for; a larger count is no count.
_MOST_TOKENS = 1 << 30


class BadJsonError(ValueError):
    """Bytes that are no JSON, or more of it than is read."""


def parse_json(data: bytes | str, *, max_bytes: int) -> Any:  # noqa: ANN401 - JSON values
    """Returns the value of a JSON text.

    Nesting is bounded at 1,024 levels and integers at 64 bits (larger ones become floats). NaN,
    infinities, lone surrogates and invalid UTF-8 are refused, so that every text that comes back
    can be written down again. Values may still be nested deeper than Python's `repr` can follow:
    take the fields that are wanted, and print no others.

    Args:
        data: The text.
        max_bytes: The longest that is read.

    Raises:
        BadJsonError: If it is too long, or no JSON.
    """
    if len(data) > max_bytes:
        raise BadJsonError(f"more than {max_bytes:,} bytes of JSON")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadJsonError(str(error)) from None


def token_count(value: object) -> int:
    """Returns a count of tokens as a server tells it; 0 for what can't be one."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 < value <= _MOST_TOKENS else 0  # type: ignore[operator,return-value]
