"""The frozen tower as a step of a build: pixels in, features out, in the store's type."""

import threading
from pathlib import Path

import torch
from transformers import AutoModel

from palo.checkpoint.parts import weights_fingerprint
from palo.corpus.config import CorpusConfig
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.errors import ResourceError
from palo.images.preprocessing import read_preprocessing
from palo.images.store import DTYPES
from palo.images.store_spec import StoreSpec
from palo.model.assemble import load_part
from palo.model.config import PaloConfig
from palo.model.sizes import read_config
from palo.model.tower import VisionTower

_DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}


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
        computed_in=config.encoders.dtype,
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
    """Encodes images in the type that the store names, on a GPU or on a CPU.

    Several threads may call it: one runs the tower while another moves or writes what it got.

    Args:
        folder: Folder of the tower.
        spec: What is wanted of it.
        settings: How it computes.

    Raises:
        MismatchError: If its weights are not those of its configuration.
        ResourceError: If a GPU is asked for and torch sees none.
    """

    def __init__(self, folder: Path, spec: StoreSpec, settings: EncoderSettings) -> None:
        self._device = _device(settings)
        self._spec = spec
        self._settings = settings
        self._turn = threading.Lock()
        if spec.computed_in == "tf32":
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        self._tower = load_tower(folder, spec).to(self._device, _DTYPES[spec.computed_in])
        mean, std = spec.preprocessing.mean, spec.preprocessing.std
        self._mean = torch.tensor(mean, device=self._device)[:, None, None]
        self._std = torch.tensor(std, device=self._device)[:, None, None]
        self._most = torch.tensor(255.0, device=self._device)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encodes images, a batch at a time.

        Args:
            pixels: (images, 3, side, side) uint8.

        Returns:
            (images, patches, width) features in the store's type, in main memory.
        """
        if not len(pixels):
            return torch.empty((0, *self._spec.shape), dtype=DTYPES[self._spec.dtype])
        with self._turn:
            if self._device.type == "cpu":
                torch.set_num_threads(self._settings.threads)  # a setting of each thread
            parts = [self._features(part) for part in pixels.split(self._settings.batch)]
        # On a GPU this waits for the features; another thread has its turn meanwhile.
        return torch.cat(parts).cpu()

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalises on the device, since it costs a CPU more than a GPU needs for the tower."""
        values = pixels.to(self._device, non_blocking=True).float()
        # Divided by a tensor: a number's reciprocal would round otherwise than in training.
        values.div_(self._most).sub_(self._mean).div_(self._std)
        features: torch.Tensor = self._tower(values)
        return features.to(DTYPES[self._spec.dtype])


def _device(settings: EncoderSettings) -> torch.device:
    if not settings.gpus:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ResourceError(
            "an image encoder was given a GPU that torch can't use",
            seen=f"torch {torch.__version__}",
            fix="Install torch with CUDA and a driver that fits, or set encoders.gpus to 0.",
        )
    return torch.device("cuda")
