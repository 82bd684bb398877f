"""Second step of a build: every distinct picture into the image store, once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from palo.data.corpus_config import ImageLimits
from palo.data.images import decode_image, to_pixels
from palo.data.reasons import Reason
from palo.data.store_spec import StoreSpec
from palo.errors import ImageError

PICTURE_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("image_id", pa.string()),
        pa.field("num_bytes", pa.int64(), nullable=False),
        pa.field("modified_ns", pa.int64(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentifyTask:
    """Pictures to identify.

    Attributes:
        paths: Their files.
        limits: How much one of them may ask for.
    """

    paths: tuple[str, ...]
    limits: ImageLimits


def identify_pictures(task: IdentifyTask) -> dict[str, Any]:
    """Returns rows of PICTURE_SCHEMA under "pictures"."""
    return {"pictures": [identify(path, task.limits) for path in task.paths]}


def identify(path: str, limits: ImageLimits) -> dict[str, Any]:
    """Returns a row of PICTURE_SCHEMA: the picture's id, or why it has none."""
    row: dict[str, Any] = {"path": path, "image_id": None, "reason": None, "detail": ""}
    row["num_bytes"], row["modified_ns"] = stamp_of(path)
    if row["num_bytes"] > limits.max_file_bytes:
        return row | {"reason": Reason.IMAGE_FILE_TOO_LARGE, "detail": f"{row['num_bytes']} bytes"}
    try:
        return row | {"image_id": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
    except FileNotFoundError:
        return row | {"reason": Reason.IMAGE_MISSING, "detail": path}
    except OSError as error:
        return row | {"reason": Reason.IMAGE_UNREADABLE, "detail": f"{path}: {error.strerror}"}


def stamp_of(path: str) -> tuple[int, int]:
    """Returns size and time of change of a file, -1 and -1 if there is none."""
    try:
        stat = Path(path).stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardTask:
    """Pictures that become one shard of the store.

    Attributes:
        image_ids: Their ids.
        paths: Their files.
    """

    image_ids: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """Pictures of a shard that could be decoded, and what was wrong with the others.

    Attributes:
        image_ids: Ids of the good ones.
        pixels: (images, 3, side, side) uint8.
        faults: Reason and detail by id of the bad ones.
    """

    image_ids: tuple[str, ...]
    pixels: npt.NDArray[np.uint8]
    faults: dict[str, tuple[str, str]]


def decode_shard(task: ShardTask, spec: StoreSpec, limits: ImageLimits) -> Decoded:
    """Decodes and preprocesses the pictures of a shard."""
    good: list[str] = []
    pixels: list[npt.NDArray[np.uint8]] = []
    faults: dict[str, tuple[str, str]] = {}
    for image_id, path in zip(task.image_ids, task.paths, strict=True):
        try:
            data = Path(path).read_bytes()
            if hashlib.sha256(data).hexdigest() != image_id:
                faults[image_id] = (Reason.IMAGE_UNREADABLE, f"{path} changed during the build")
                continue
            pixels.append(to_pixels(decode_image(data, limits), spec.preprocessing))
            good.append(image_id)
        except ImageError as error:
            faults[image_id] = (error.fact, f"{path}: {error.seen}")
        except OSError as error:
            faults[image_id] = (Reason.IMAGE_UNREADABLE, f"{path}: {error.strerror}")
    side = spec.preprocessing.image_size
    stacked = np.stack(pixels) if pixels else np.zeros((0, 3, side, side), np.uint8)
    return Decoded(image_ids=tuple(good), pixels=stacked, faults=faults)
