"""Workers of the images stage: identify images, decode them, and write shards of the image store.

Only the actors that write shards load torch and the tower's library: the other tasks start in a
fraction of the time.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.corpus.images_step.image_files import read_image, stamp_of
from palo.corpus.images_step.image_table import IMAGE_SCHEMA, write_faults, write_part
from palo.corpus.ray_tasks import as_row
from palo.errors import ImageError
from palo.images.decoder import shared_decoder
from palo.images.preprocessing import ImageLimits
from palo.images.store_spec import StoreSpec
from palo.reasons import Reason
from palo.sharing import check_here

if TYPE_CHECKING:
    from palo.corpus.images_step.tower_encoder import TowerEncoder


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentifyTask:
    """Images to identify.

    Attributes:
        corpus: Folder of the corpus.
        paths: Their paths, in folders or archives.
        indexes: Folder of the archives' indexes.
        limits: The limits of one image's size.
    """

    corpus: Path
    paths: tuple[str, ...]
    indexes: Path
    limits: ImageLimits


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentifyResult:
    """A part of the table of images.

    Attributes:
        num_images: Its images.
        part: Its name, from `write_part`.
    """

    num_images: int
    part: str


def identify_images(task: IdentifyTask) -> IdentifyResult:
    """Writes a part of the table of images.

    Args:
        task: The images.

    Returns:
        The part.
    """
    rows = [identify(path, task.indexes, task.limits) for path in task.paths]
    part = write_part(task.corpus, pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA))
    return IdentifyResult(num_images=len(rows), part=part)


def identify(path: str, indexes: Path, limits: ImageLimits) -> dict[str, Any]:
    """Returns a row of IMAGE_SCHEMA: the image's id, or why it has none.

    Size and modification time are those of the file, or of the archive that the image is in.

    Args:
        path: The image's path.
        indexes: Folder of the archives' indexes.
        limits: The limits of its size.
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
        limits: The limits of one image's size.
    """

    image_ids: tuple[str, ...]
    paths: tuple[str, ...]
    indexes: Path
    limits: ImageLimits


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardResult:
    """A shard that was written.

    Attributes:
        num_images: Images that it was to hold.
        faults: Reason and detail, by image id, of those that could not be decoded.
    """

    num_images: int
    faults: Mapping[str, tuple[str, str]]


class ImageDecoder(Protocol):
    """Decodes and preprocesses images."""

    def decode(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Returns the (3, side, side) pixels of an image file.

        Args:
            data: The file's bytes.

        Raises:
            ImageError: If it can't be decoded.
        """


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
    """Decodes and preprocesses the images of a shard.

    Args:
        task: The images.
        spec: What the store holds.
        decoder: Decodes one image.

    Returns:
        The pixels, and the faults.
    """
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


def decoded_row(task: ShardTask, spec: StoreSpec) -> dict[str, Any]:
    """Decodes the images of a shard into a row for `ShardWriter`.

    Args:
        task: The images.
        spec: What the store holds.
    """
    decoded = decode_shard(task, spec, shared_decoder(spec.preprocessing, task.limits))
    return {
        "image_ids": json.dumps(decoded.image_ids),
        "pixels": decoded.pixels.tobytes(),
        "faults": json.dumps(decoded.faults),
    }


class ShardWriter:
    """An actor: turns decoded images into shards of the image store, in one or more threads.

    Args:
        store: Folder of the image store.
        spec: What the store holds.
        tower: Folder of the tower.
        faults: Folder of the faults, from `faults_folder`.
        settings: How the tower computes.
    """

    def __init__(
        self, store: Path, spec: StoreSpec, tower: Path, faults: Path, settings: EncoderSettings
    ) -> None:
        self._store = store
        self._spec = spec
        self._tower = tower
        self._faults = faults
        self._settings = settings
        self._loading = threading.Lock()
        self._loaded: TowerEncoder | None = None

    def _encoder(self) -> "TowerEncoder":
        """The tower, loaded with the first images, where an error can still be reported."""
        from palo.corpus.images_step.tower_encoder import TowerEncoder

        with self._loading:  # shards come in several threads
            if self._loaded is None:
                self._loaded = TowerEncoder(self._tower, self._spec, self._settings)
            return self._loaded

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Writes a shard.

        Args:
            row: From `decoded_row`.

        Returns:
            A row with a `ShardResult`.
        """
        check_here()
        return as_row(self._write(row))

    def _write(self, row: dict[str, Any]) -> ShardResult:
        image_ids = json.loads(row["image_ids"])
        if image_ids:
            self._write_shard(image_ids, row["pixels"])
        faults = json.loads(row["faults"])
        write_faults(self._faults, faults)
        return ShardResult(num_images=len(image_ids) + len(faults), faults=faults)

    def _write_shard(self, image_ids: list[str], data: bytes) -> None:
        import torch

        from palo.images.store import write_shard

        side = self._spec.preprocessing.image_size
        pixels = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        pixels = pixels.reshape(len(image_ids), 3, side, side)
        rows = pixels if self._spec.kind == "pixels" else self._encoder()(pixels)
        write_shard(self._store, self._spec, image_ids, rows)
