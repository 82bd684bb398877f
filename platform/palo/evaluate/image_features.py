"""From image files to the features of a model's own tower."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from palo.checkpoint.load import TrainedModel
from palo.config import from_dict
from palo.errors import ImageError
from palo.images.decode import decode_image, preprocess
from palo.images.image_folder import read_image_file
from palo.images.preprocessing import Preprocessing, read_preprocessing

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration

_BATCH = 32


def preprocessing_of(trained: TrainedModel) -> Preprocessing:
    """Returns what a model's images went through; what its tower asks for if it saw none."""
    if trained.stage.preprocessing is None:
        image_size = trained.model.config.input_image_size
        return read_preprocessing(trained.stage.parts.tower, image_size)
    return from_dict(Preprocessing, trained.stage.preprocessing)


@torch.inference_mode()
def image_features(
    model: "PaloForConditionalGeneration", preprocessing: Preprocessing, paths: Sequence[Path]
) -> torch.Tensor:
    """Encodes images with the tower.

    Args:
        model: The model; the features come to its device.
        preprocessing: What happens to an image first.
        paths: At least one image file.

    Returns:
        (N, P, D) features in the order of the paths, in the type of the tower's weights.

    Raises:
        ImageError: If a file can't be read, or is no image that can be used.
        StorageError: If a store refuses.
    """
    parts = []
    for start in range(0, len(paths), _BATCH):
        pixels = [_pixels(path, preprocessing) for path in paths[start : start + _BATCH]]
        parts.append(model.vision_tower(torch.stack(pixels).to(model.device)))
    return torch.cat(parts)


def _pixels(path: Path, preprocessing: Preprocessing) -> torch.Tensor:
    data = read_image_file(path)
    try:
        image = decode_image(data)
    except ImageError as error:
        raise ImageError(f"{path}: {error.fact}", seen=error.seen, fix=error.fix) from error
    return torch.from_numpy(preprocess(image, preprocessing))
