"""The manifest of an image store; a module without torch, for tasks that only decode."""

from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import Literal

from palo import storage
from palo.config import from_dict, to_dict
from palo.errors import MismatchError
from palo.images.preprocessing import Preprocessing

_ITEM_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "uint8": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSpec:
    """What a row of a store is, and what made it.

    Attributes:
        kind: features of a tower, or the pixels that a tower would see.
        shape: Shape of one row: (patches, width) of features, (3, height, width) of pixels.
        dtype: Name of the element type; bf16 is kept as its raw 16 bits.
        tower_fingerprint: Names the tower's configuration and weights; empty for pixels.
        layer: Hidden layer of the tower that is kept; 0 for pixels.
        select: Which of the layer's tokens are kept; empty for pixels.
        preprocessing: What happened to an image before.
    """

    kind: Literal["features", "pixels"]
    shape: tuple[int, ...]
    dtype: Literal["bf16", "fp16", "fp32", "uint8"]
    tower_fingerprint: str = ""
    layer: int = 0
    select: str = ""
    preprocessing: Preprocessing

    @property
    def row_bytes(self) -> int:
        """Size of one row in bytes."""
        return prod(self.shape) * _ITEM_BYTES[self.dtype]

    def require(self, wanted: "StoreSpec", folder: Path) -> None:
        """Rejects a store that was made with other settings than the wanted ones.

        Args:
            wanted: The wanted spec.
            folder: The store, for the message.

        Raises:
            MismatchError: If any field differs.
        """
        names = [f.name for f in fields(self) if getattr(self, f.name) != getattr(wanted, f.name)]
        if names:
            pairs = ((name, getattr(self, name), getattr(wanted, name)) for name in names)
            raise MismatchError(
                f"the image store {folder} was made with another {' and '.join(names)}",
                seen="; ".join(f"{n} {to_dict(own)}, wanted {to_dict(w)}" for n, own, w in pairs),
                fix="Build into another store folder, or use the settings the store was made with.",
            )


def read_spec(folder: Path) -> StoreSpec:
    """Reads the spec of a store from its manifest.

    Args:
        folder: The store.

    Raises:
        StorageError: If the manifest can't be read.
    """
    return from_dict(StoreSpec, storage.read_json(folder / "manifest.json"))
