"""The sizes of the platform's models, from the small ones to the paper's."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from transformers import (
    AutoConfig,
    CLIPVisionConfig,
    Dinov2Config,
    LlamaConfig,
    PreTrainedConfig,
)

from palo.errors import MismatchError
from palo.model.backbones import require_backbone, text_half
from palo.model.config import PaloConfig
from palo.model.folder_guard import read_model_config


def from_parts(
    vision_config: PreTrainedConfig,
    text_config: PreTrainedConfig,
    projector_type: str = "mlp2x_gelu",
    image_size: int | None = None,
) -> PaloConfig:
    """Returns the configuration of a model made of these parts.

    Args:
        vision_config: The tower's configuration.
        text_config: The language model's configuration.
        projector_type: `mlpNx_gelu` or `ldp`.
        image_size: Side of the images in pixels; None for the tower's own.
    """
    # As plain values: two models must not share one configuration object.
    return PaloConfig(
        vision_config=vision_config.to_dict(),
        text_config=text_config.to_dict(),
        projector_type=projector_type,
        image_size=image_size,
    )


def from_folders(
    tower_folder: Path,
    language_model_folder: Path,
    projector_type: str = "mlp2x_gelu",
    image_size: int | None = None,
) -> PaloConfig:
    """Returns the configuration of a model made of two folders in Hugging Face's format.

    Args:
        tower_folder: Hugging Face folder of the image tower.
        language_model_folder: Hugging Face folder of the language model.
        projector_type: Such as mlp2x_gelu or ldp.
        image_size: Side of the images in pixels; None for the tower's own.

    Raises:
        MismatchError: If the language folder holds no model of a known architecture.
        StorageError: If a folder has no readable config.json.
    """
    tower, values = read_config(tower_folder), text_half(read_model_config(language_model_folder))
    require_backbone(values, language_model_folder)
    language = config_of(values, language_model_folder)
    return from_parts(tower, language, projector_type, image_size)


def read_config(folder: Path) -> PreTrainedConfig:
    """Reads the config.json of a model folder; of CLIP and its like, the vision half.

    Args:
        folder: Hugging Face folder of a model.

    Raises:
        StorageError: If it can't be read.
        MismatchError: If transformers doesn't know the model type, or it is not to be believed.
    """
    return config_of(read_model_config(folder), folder)


def config_of(values: Mapping[str, Any], folder: Path) -> PreTrainedConfig:
    """Returns the configuration that values of a config.json stand for; of CLIP the vision half.

    Args:
        values: The checked values.
        folder: The folder that they are from, for the message.

    Raises:
        MismatchError: If transformers doesn't know the model type.
    """
    try:
        config = AutoConfig.for_model(**values)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise MismatchError(
            f"{folder / 'config.json'} is no model configuration that transformers knows",
            seen=f"{values.get('model_type', 'no model_type')!s:.80}",
            fix="Choose a folder that save_pretrained wrote.",
        ) from error
    return getattr(config, "vision_config", config)


def mini() -> PaloConfig:
    """DINOv2-small and SmolLM2-135M: real weights that train on two CPU cores."""
    tower = Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14
    )
    language = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        tie_word_embeddings=True,
        pad_token_id=2,
    )
    return from_parts(tower, language, "mlp2x_gelu", image_size=336)


def mobile_1_7b() -> PaloConfig:
    """MobilePALO-1.7B: MobileLLaMA-1.4B with the LDP projector."""
    return from_parts(_clip_l14_336(), _llama(2048, 5632, 24, 16, 1e-6, 2048), "ldp")


def palo_7b() -> PaloConfig:
    """PALO-7B: Vicuna-7B v1.5."""
    return from_parts(_clip_l14_336(), _llama(4096, 11008, 32, 32, 1e-5, 4096))


def palo_13b() -> PaloConfig:
    """PALO-13B: Vicuna-13B v1.5."""
    return from_parts(_clip_l14_336(), _llama(5120, 13824, 40, 40, 1e-5, 4096))


# The nano scale is not here: its base weights decide its numbers (`from_folders`).
SIZES: Mapping[str, Callable[[], PaloConfig]] = MappingProxyType(
    {"mini": mini, "mobile-1.7b": mobile_1_7b, "7b": palo_7b, "13b": palo_13b}
)


def _clip_l14_336() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        projection_dim=768,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
    )


def _llama(
    hidden: int, intermediate: int, layers: int, heads: int, eps: float, positions: int
) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=32000,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=positions,
        rms_norm_eps=eps,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        pad_token_id=0,
    )
