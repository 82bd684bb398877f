"""Settings of images: limits for their files, and the preprocessing for the tower.

Preprocessing is stored with what was made by it, and compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from palo import storage

_LONGEST_DECODE_S = 86_400
PREPROCESSING_VERSION = 1
"""Goes up whenever the same image and settings give other pixels."""
_BICUBIC = 3
_OPENAI_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_OPENAI_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_SIGLIP_COLOURS = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLimits:
    """How much one image file may ask for.

    Attributes:
        max_file_bytes: Largest file that is read.
        max_pixels: Most pixels that are decoded.
        max_decode_s: Longest time that a build spends on decoding one.
    """

    max_file_bytes: int = 64 << 20
    max_pixels: int = 64_000_000
    max_decode_s: float = 30.0

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is out of range."""
        for name in ("max_file_bytes", "max_pixels"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        if not 0 < self.max_decode_s <= _LONGEST_DECODE_S:
            yield f"max_decode_s must be above 0, at most a day, not {self.max_decode_s}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """How an image becomes the tower's input.

    Attributes:
        aspect: pad: paste onto a square in the mean colour; crop: cut the centre out. LLaVA trains
            with pad; its released benchmark script crops.
        image_size: Side of the square that the tower sees, in pixels.
        shortest_edge: Length that the shorter side is resized to before the centre is cut out.
        resample: Pillow's number of the filter.
        mean: Mean of each channel, of values from 0 to 1.
        std: Standard deviation of each channel.
        version: Version of the code.
    """

    aspect: Literal["pad", "crop"] = "pad"
    image_size: int = 336
    shortest_edge: int = 336
    resample: int = _BICUBIC
    mean: tuple[float, float, float] = _OPENAI_CLIP_MEAN
    std: tuple[float, float, float] = _OPENAI_CLIP_STD
    version: int = PREPROCESSING_VERSION

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is out of range."""
        if self.image_size < 1:
            yield f"image_size must be at least 1, not {self.image_size}"
        if self.shortest_edge < self.image_size:
            yield f"shortest_edge must be at least image_size, not {self.shortest_edge}"
        if min(self.std) <= 0:
            yield f"std must be positive, not {self.std}"

    def normalise(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Scales pixels to what the tower was trained on.

        Args:
            pixels: (..., 3, H, W) uint8.

        Returns:
            (..., 3, H, W) float32, with the training images' mean 0 and deviation 1.
        """
        mean = np.asarray(self.mean, np.float32)[:, None, None]
        std = np.asarray(self.std, np.float32)[:, None, None]
        return (pixels.astype(np.float32) / np.float32(255) - mean) / std


def read_preprocessing(
    tower: Path, image_size: int, aspect: Literal["pad", "crop"] = "pad"
) -> Preprocessing:
    """Reads what a tower was trained with from its preprocessor_config.json.

    A tower without that file gets CLIP's colours, or SigLIP's if it is one of those.

    Args:
        tower: Folder of a Hugging Face vision model.
        image_size: Side of the square that the tower gets, in pixels.
        aspect: How an image that is not square becomes square.
    """
    path = tower / "preprocessor_config.json"
    values: dict[str, Any] = storage.read_json(path) if path.exists() else {}
    # A padded image is square already: a longer edge would cut its rim off. The tower's own edge
    # goes with its own size only.
    mean, std = _usual_colours(tower)
    own = aspect == "crop" and _side(values.get("crop_size")) == image_size
    return Preprocessing(
        aspect=aspect,
        image_size=image_size,
        shortest_edge=(_side(values.get("size")) or image_size) if own else image_size,
        resample=int(values.get("resample", _BICUBIC)),
        mean=_channels(values.get("image_mean"), mean),
        std=_channels(values.get("image_std"), std),
    )


def _usual_colours(tower: Path) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Returns mean and deviation of a tower whose folder doesn't say them."""
    path = tower / "config.json"
    kind = storage.read_json(path).get("model_type") if path.exists() else None
    if str(kind).startswith("siglip"):
        return _SIGLIP_COLOURS, _SIGLIP_COLOURS
    return _OPENAI_CLIP_MEAN, _OPENAI_CLIP_STD


def _side(size: object) -> int | None:
    """Reads the forms of a size that processors write: 336, {shortest_edge}, {height, width}."""
    if isinstance(size, dict):
        size = next((size[k] for k in ("shortest_edge", "height") if k in size), None)
    return size if isinstance(size, int) else None


def _channels(values: object, default: tuple[float, float, float]) -> tuple[float, float, float]:
    if not isinstance(values, list):
        return default
    red, green, blue = (float(value) for value in values)
    return red, green, blue
