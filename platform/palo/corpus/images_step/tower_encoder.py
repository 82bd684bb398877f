"""The frozen tower as a step of a build: pixels in, features out, in the store's type."""

from pathlib import Path

import torch
from transformers import AutoModel

from palo.checkpoint.parts import weights_fingerprint
from palo.corpus.config import CorpusConfig
from palo.images.preprocessing import read_preprocessing
from palo.images.store import DTYPES
from palo.images.store_spec import StoreSpec
from palo.model.assemble import load_part
from palo.model.config import PaloConfig
from palo.model.sizes import read_config
from palo.model.tower import VisionTower

_BATCH = 16


def spec_of(config: CorpusConfig) -> StoreSpec:
    """Returns what the image store of a corpus holds.

    Args:
        config: The corpus' configuration.

    Raises:
        ConfigError: If the tower has no such layer or can't take images of that size.
        DataError: If the tower's folder has no weights.
        StorageError: If it has no readable config.json.
    """
    tower = _model_config(config.tower, config.image_size, config.feature_layer)
    side = tower.input_image_size
    preprocessing = read_preprocessing(config.tower, side, config.aspect)
    if config.store == "pixels":
        return StoreSpec(
            kind="pixels", shape=(3, side, side), dtype="uint8", preprocessing=preprocessing
        )
    return StoreSpec(
        kind="features",
        shape=(tower.num_patches, tower.vision_hidden_size),
        dtype=config.feature_dtype,
        tower_fingerprint=weights_fingerprint(config.tower),
        layer=config.feature_layer,
        select=tower.vision_feature_select,
        preprocessing=preprocessing,
    )


def _model_config(folder: Path, image_size: int | None, layer: int) -> PaloConfig:
    return PaloConfig(
        vision_config=read_config(folder).to_dict(),
        image_size=image_size,
        vision_feature_layer=layer,
    )


def load_tower(folder: Path, spec: StoreSpec) -> VisionTower:
    """Loads a tower in single precision, on the CPU.

    Args:
        folder: Folder of the tower.
        spec: What is wanted of it.

    Raises:
        MismatchError: If its weights are not those of its configuration.
    """
    config = _model_config(folder, spec.preprocessing.image_size, spec.layer)
    model = load_part(AutoModel, folder, config.vision_config, torch.float32)
    with torch.device("meta"):
        tower = VisionTower(config)
    tower.attach(model)
    return tower


class TowerEncoder:
    """Encodes images in single precision, on a GPU where there is one.

    Args:
        folder: Folder of the tower.
        spec: What is wanted of it.

    Raises:
        MismatchError: If its weights are not those of its configuration.
    """

    def __init__(self, folder: Path, spec: StoreSpec) -> None:
        self._tower = load_tower(folder, spec)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tower.to(self._device)
        self._spec = spec

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encodes images, a few at a time.

        Args:
            pixels: (images, 3, side, side) uint8.

        Returns:
            (images, patches, width) features in the store's type, in main memory.
        """
        parts = [self._features(part) for part in pixels.split(_BATCH)]
        return torch.cat(parts) if parts else torch.empty((0, *self._spec.shape))

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        values = torch.from_numpy(self._spec.preprocessing.normalise(pixels.numpy()))
        features: torch.Tensor = self._tower(values.to(self._device))
        return features.to(DTYPES[self._spec.dtype]).cpu()
