"""What stands in safetensors files beside the numbers: their header, and the index of shards."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class HeaderEntry:
    """A tensor as a header names it.

    Attributes:
        name: Its name.
        dtype: The format's name of its type, such as BF16.
        shape: Its shape.
        size_bytes: How many bytes it has.
    """

    name: str
    dtype: str
    shape: Sequence[int]
    size_bytes: int


def header_bytes(entries: Iterable[HeaderEntry]) -> bytes:
    """Returns the beginning of a file whose tensors follow one another in this order.

    Args:
        entries: The tensors.
    """
    values: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in entries:
        begin, end = end, end + entry.size_bytes
        values[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(values, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def shard_index(places: Mapping[str, str], total_bytes: int) -> dict[str, Any]:
    """Returns the content of model.safetensors.index.json.

    Args:
        places: Name of the file of each tensor, by the tensor's name.
        total_bytes: Bytes of all tensors.
    """
    return {"metadata": {"total_size": total_bytes}, "weight_map": dict(places)}
