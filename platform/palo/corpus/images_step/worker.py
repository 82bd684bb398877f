"""Second step of a build: every distinct image into the image store, once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from palo.corpus.images_step.image_files import read_image, stamp_of
from palo.corpus.images_step.image_table import IMAGE_SCHEMA, write_part
from palo.errors import ImageError
from palo.images.preprocessing import ImageLimits
from palo.images.store_spec import StoreSpec
from palo.reasons import Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentifyTask:
    """Images to identify.

    Attributes:
        corpus: Folder of the corpus.
        paths: Their paths, in folders or archives.
        indexes: Folder of the archives' indexes.
        limits: How much one of them may ask for.
    """

    corpus: Path
    paths: tuple[str, ...]
    indexes: Path
    limits: ImageLimits


def identify_images(task: IdentifyTask) -> dict[str, Any]:
    """Writes a part of the table of images.

    Returns:
        images, how many they are; name of the part.
    """
    rows = [identify(path, task.indexes, task.limits) for path in task.paths]
    part = write_part(task.corpus, pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA))
    return {"num_images": len(rows), "part": part}


def identify(path: str, indexes: Path, limits: ImageLimits) -> dict[str, Any]:
    """Returns a row of IMAGE_SCHEMA: the image's id, or why it has none.

    Size and time of change are those of the file, or of the archive that the image is in.
    """
    row: dict[str, Any] = {"path": path, "image_id": None, "reason": None, "detail": ""}
    row["num_bytes"], row["modified_ns"] = stamp_of(path)
    try:
        data = read_image(path, indexes, limits)
    except ImageError as error:
        return row | {"reason": error.fact, "detail": error.seen}
    return row | {"image_id": hashlib.sha256(data).hexdigest()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardTask:
    """Images that become one shard of the store.

    Attributes:
        image_ids: Their ids.
        paths: Their paths, in folders or archives.
        indexes: Folder of the archives' indexes.
        limits: How much one of them may ask for.
    """

    image_ids: tuple[str, ...]
    paths: tuple[str, ...]
    indexes: Path
    limits: ImageLimits


class ImageDecoder(Protocol):
    """Makes pixels of an image's bytes, or raises ImageError."""

    def decode(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Returns (3, side, side)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """Images of a shard that could be decoded, and what was wrong with the others.

    Attributes:
        image_ids: Ids of the good ones.
        pixels: (images, 3, side, side) uint8.
        faults: Reason and detail by id of the bad ones.
    """

    image_ids: tuple[str, ...]
    pixels: npt.NDArray[np.uint8]
    faults: dict[str, tuple[str, str]]


def decode_shard(task: ShardTask, spec: StoreSpec, decoder: ImageDecoder) -> Decoded:
    """Decodes and preprocesses the images of a shard."""
    good: list[str] = []
    pixels: list[npt.NDArray[np.uint8]] = []
    faults: dict[str, tuple[str, str]] = {}
    for image_id, path in zip(task.image_ids, task.paths, strict=True):
        try:
            data = read_image(path, task.indexes, task.limits)
            if hashlib.sha256(data).hexdigest() != image_id:
                faults[image_id] = (Reason.IMAGE_UNREADABLE, f"{path} changed during the build")
                continue
            pixels.append(decoder.decode(data))
            good.append(image_id)
        except ImageError as error:
            seen = error.seen if path in error.seen else f"{path}: {error.seen}"
            faults[image_id] = (error.fact, seen)
    side = spec.preprocessing.image_size
    stacked = np.stack(pixels) if pixels else np.zeros((0, 3, side, side), np.uint8)
    return Decoded(image_ids=tuple(good), pixels=stacked, faults=faults)
