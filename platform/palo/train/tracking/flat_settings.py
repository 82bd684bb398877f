"""Nested settings as names with dots, for services, tables and comparisons."""

import json
from collections.abc import Mapping
from typing import Any


def flat_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns nested JSON values as texts by dotted name.

    Args:
        values: The values.
        prefix: What the names begin with.
    """
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            flat[f"{prefix}{name}"] = text
    return flat
