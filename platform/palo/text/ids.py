"""Token ids as machine integers: joining, slicing and writing them costs no object for each."""

from array import array
from collections.abc import Iterable
from typing import TypeAlias

Ids: TypeAlias = "array[int]"
"""Token ids, 32 bits each; compare them with one another, since no array equals a list."""


def ids_of(values: Iterable[int] = ()) -> Ids:
    """Returns some token ids as an array."""
    return array("i", values)


def ids_of_bytes(data: bytes) -> Ids:
    """Returns the token ids that were `Ids.tobytes` before."""
    return array("i", data)
