"""A finished stage with random weights, as endpoints serve it."""

import random
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoModel, LlamaForCausalLM

from palo.checkpoint.finished import FORMAT_VERSION, is_finished, write_stage
from palo.checkpoint.parts import ModelParts
from palo.config import to_dict
from palo.images.preprocessing import Preprocessing, read_preprocessing
from palo.inference.engine import EngineSettings
from palo.model.assemble import assemble
from palo.model.library_noise import without_progress_bars
from palo.model.sizes import from_folders, mini
from palo.recipes.nano import BASE

_IMAGE_SIDE = 64


def mini_stage(folder: Path, layers: int, image_size: int, seed: int) -> Path:
    """Writes a model of the shapes of DINOv2-small and SmolLM2-135M, unless it is there.

    Args:
        folder: Folder for it; the stage is a folder within.
        layers: Layers of the language model.
        image_size: Side of its images in pixels.
        seed: Seed of the weights.
    """
    stage = folder / f"stage-{FORMAT_VERSION}"
    if is_finished(stage):
        return stage
    torch.manual_seed(seed)
    sizes = mini()
    sizes.text_config.num_hidden_layers = layers
    with without_progress_bars():
        LlamaForCausalLM(sizes.text_config).save_pretrained(folder / "language_model")
        AutoModel.from_config(sizes.vision_config).save_pretrained(folder / "tower")
    parts = ModelParts(
        tower=folder / "tower",
        language_model=folder / "language_model",
        tokenizer=BASE / "tokenizer",
        image_size=image_size,
    )
    return _stage(stage, parts, Preprocessing(image_size=image_size))


def engine_stage(folder: Path, layers: int, seed: int) -> Path:
    """Writes a model of SmolLM2-135M's shape on the nano base's tower, unless it is there.

    Its formats are those that other engines take.

    Args:
        folder: Folder for it; the stage is a folder within.
        layers: Layers of the language model.
        seed: Seed of the weights.
    """
    stage = folder / f"stage-{FORMAT_VERSION}"
    if is_finished(stage):
        return stage
    torch.manual_seed(seed)
    sizes = mini().text_config
    sizes.num_hidden_layers = layers
    with without_progress_bars():
        LlamaForCausalLM(sizes).save_pretrained(folder / "language_model")
    parts = ModelParts(
        tower=BASE / "tower", language_model=folder / "language_model", tokenizer=BASE / "tokenizer"
    )
    size = from_folders(parts.tower, parts.language_model).input_image_size
    return _stage(stage, parts, read_preprocessing(parts.tower, size))


def nano_stage(folder: Path, name: str) -> Path:
    """Writes a model of the nano base's parts; its name is part of its version.

    Args:
        folder: Folder for it; the stage is a folder within.
        name: Name of the stage; the same weights under another name are another version.
    """
    parts = ModelParts(
        tower=BASE / "tower", language_model=BASE / "language_model", tokenizer=BASE / "tokenizer"
    )
    size = from_folders(parts.tower, parts.language_model).input_image_size
    return _stage(folder / name, parts, read_preprocessing(parts.tower, size), name)


def _stage(folder: Path, parts: ModelParts, preprocessing: Preprocessing, name: str = "") -> Path:
    model = assemble(
        parts.tower, parts.language_model, parts.projector_type, image_size=parts.image_size
    )
    # The version comes from the weights.
    torch.manual_seed(random.Random(name).randrange(2**31))  # noqa: S311 - no cryptography
    weights = {
        f"projector.{key}": torch.randn_like(value) * value.std()
        for key, value in model.projector.state_dict().items()
    }
    write_stage(
        folder,
        weights,
        parts=parts,
        lora=None,
        template="vicuna_v1",
        preprocessing=to_dict(preprocessing),
        lineage={},
    )
    return folder


def images(count: int, seed: int) -> list[bytes]:
    """Returns the PNG files of images of random colours.

    Args:
        count: How many.
        seed: Seed of the colours.
    """
    generator = random.Random(seed)  # noqa: S311 - no cryptography
    files = []
    for _ in range(count):
        file = BytesIO()
        blocks = Image.frombytes("RGB", (4, 4), generator.randbytes(48))
        side = (_IMAGE_SIDE, _IMAGE_SIDE)
        blocks.resize(side, Image.Resampling.NEAREST).save(file, "PNG")
        files.append(file.getvalue())
    return files


def kv_bytes(layers: int, num_tokens: int) -> int:
    """Returns the memory of kept tokens of `mini_stage`'s model, in whole blocks."""
    text = mini().text_config
    head = text.hidden_size // text.num_attention_heads
    block = EngineSettings().block_tokens
    places = -(-num_tokens // block) * block
    size: int = places * layers * 2 * text.num_key_value_heads * head * torch.float32.itemsize
    return size
