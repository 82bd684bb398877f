"""A model from pretrained parts: a tower and a language model from their own folders."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModel, PreTrainedConfig

from palo import storage
from palo.errors import MismatchError, StorageError
from palo.model.backbones import language_model_class
from palo.model.config import PaloConfig
from palo.model.folder_guard import read_model_config
from palo.model.four_bit import four_bit_config
from palo.model.library_noise import without_progress_bars
from palo.model.palo import PaloForConditionalGeneration
from palo.model.projectors import Projector, build_projector
from palo.model.sizes import from_folders

PART_SUFFIXES = (".json", ".model", ".safetensors", ".txt")
"""Endings of the files of a pretrained part that are read; others may hold the weights again."""
# What a folder may hold besides the part we take: CLIP's text half, and a table that old
# checkpoints of LLaMA keep although it follows from the configuration.
_SPARE_PREFIXES = (
    "text_model.",
    "text_projection.",
    "visual_projection.",
    "logit_scale",
    "logit_bias",
)
_SPARE_SUFFIXES = ("rotary_emb.inv_freq", "embeddings.position_ids")


def assemble(
    tower_folder: Path,
    language_model_folder: Path,
    projector_type: str = "mlp2x_gelu",
    *,
    image_size: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    loading: AbstractContextManager[object] | None = None,
    four_bit: bool = False,
) -> PaloForConditionalGeneration:
    """Joins a pretrained tower and a pretrained language model by a new projector.

    Args:
        tower_folder: Folder of a Hugging Face vision model, with safetensors.
        language_model_folder: Folder of a language model that `palo.model.backbones` knows, with
            safetensors.
        projector_type: `mlpNx_gelu` or `ldp`.
        image_size: Side of the images in pixels; None for the tower's own.
        seed: Seed of the projector's random weights.
        dtype: Type of all weights.
        loading: Context in which the pretrained weights are read, for those who split them among
            processes meanwhile.
        four_bit: Keep the language model's linear layers in 4 bits; they can't learn then.

    Returns:
        The model, in evaluation mode.

    Raises:
        ConfigError: If 4 bits are asked for and bitsandbytes isn't installed.
        MismatchError: If a folder's weights are not those that its configuration needs.
        StorageError: If a folder has no readable safetensors or config.json.
    """
    config = from_folders(tower_folder, language_model_folder, projector_type, image_size)
    config.dtype = dtype
    with torch.device("meta"):
        model = PaloForConditionalGeneration(config)
    with loading or nullcontext():
        tower = load_part(AutoModel, tower_folder, config.vision_config, dtype)
        model.language_model = load_part(
            language_model_class(config.text_config),
            language_model_folder,
            config.text_config,
            dtype,
            four_bit=four_bit,
        )
    model.is_loaded_in_4bit = four_bit  # by this PEFT knows it
    model.vision_tower.attach(tower)
    # from_pretrained works on copies of the configurations: keep one of each.
    config.vision_config = model.vision_tower.model.config
    config.text_config = model.language_model.config
    model.projector = _fresh_projector(config, seed).to(dtype)
    model.generation_config = model.language_model.generation_config
    model.eval()
    return model


def _fresh_projector(config: PaloConfig, seed: int) -> Projector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_projector(config)


def load_part(
    kind: Any,  # noqa: ANN401 - a class of transformers
    folder: Path,
    config: PreTrainedConfig,
    dtype: torch.dtype,
    *,
    four_bit: bool = False,
) -> Any:  # noqa: ANN401 - an object of that class
    """Loads a pretrained part and proves that its weights are those of its configuration.

    Args:
        kind: A class of transformers.
        folder: Folder of the part, with safetensors; of one on S3 this machine keeps a copy.
        config: Its configuration.
        dtype: Type of the weights.
        four_bit: Keep linear layers in 4 bits, but for the output head.

    Raises:
        ConfigError: If 4 bits are asked for and bitsandbytes isn't installed.
        MismatchError: If weights are missing, unexpected or of another shape.
        StorageError: If the folder has no readable safetensors.
    """
    read_model_config(folder)
    near = storage.near_copy(folder, PART_SUFFIXES)
    try:
        with without_progress_bars():
            model, report = kind.from_pretrained(
                near,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                quantization_config=four_bit_config(dtype) if four_bit else None,
            )
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"can't read weights from {folder}",
            seen=str(error).splitlines()[0],
            fix="Give a folder with config.json and model.safetensors.",
        ) from error
    faults = [f"missing {key}" for key in sorted(report["missing_keys"])]
    faults += [
        f"unexpected {key}" for key in sorted(report["unexpected_keys"]) if not is_spare_weight(key)
    ]
    faults += [f"wrong shape {mismatch}" for mismatch in sorted(report["mismatched_keys"])]
    if faults:
        raise MismatchError(
            f"the weights in {folder} are not those of its config.json: {len(faults)} faults",
            seen="; ".join(faults[:3]),
            fix="Download or convert the model again.",
        )
    return model


def is_spare_weight(key: str) -> bool:
    """Returns whether a folder of a tower or a language model may hold a tensor that isn't needed.

    Args:
        key: Name of the tensor.
    """
    return key.startswith(_SPARE_PREFIXES) or key.endswith(_SPARE_SUFFIXES)
