"""The manifest of an image store; a module without torch, for tasks that only decode."""

from dataclasses import dataclass, fields, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

from palo import storage
from palo.config import fingerprint, from_dict, to_dict
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
        computed_in: Type that the tower computed in.
    """

    kind: Literal["features", "pixels"]
    shape: tuple[int, ...]
    dtype: Literal["bf16", "fp16", "fp32", "uint8"]
    tower_fingerprint: str = ""
    layer: int = 0
    select: str = ""
    preprocessing: Preprocessing
    computed_in: Literal["float32", "tf32", "bfloat16"] = "float32"

    @property
    def values(self) -> dict[str, Any]:
        """The spec as JSON values; what is float32 as ever isn't told, as in older manifests."""
        values: dict[str, Any] = to_dict(self)
        if self.computed_in == "float32":
            del values["computed_in"]
        return values

    @property
    def name(self) -> str:
        """Name of a store's folder among others: equal for equal content, and for no other."""
        aspect, side = self.preprocessing.aspect, self.preprocessing.image_size
        return f"{self.kind}-{aspect}-{side}-{fingerprint(self.values)[:12]}"

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


def find_store(folder: Path, wanted: StoreSpec) -> Path:
    """Finds the store of a tower's features, whatever type they were computed and are kept in.

    Args:
        folder: A store, or a folder of stores.
        wanted: What it must hold.

    Returns:
        The store; the folder itself if none fits.
    """

    def same(spec: StoreSpec) -> bool:
        return replace(spec, dtype=wanted.dtype, computed_in=wanted.computed_in) == wanted

    if isinstance(folder, storage.S3Path) or (folder / "manifest.json").exists():
        return folder
    stores = sorted(path.parent for path in folder.glob("*/manifest.json"))
    return next((store for store in stores if same(read_spec(store))), folder)
