"""Configurations of a model's parts, from the one that a foreign checkpoint has for all of it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palo.checkpoint.importing.places import TensorPlace
from palo.errors import MismatchError

_LLAMA_FIELDS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings",
    "initializer_range", "rms_norm_eps", "use_cache", "pad_token_id", "bos_token_id",
    "eos_token_id", "pretraining_tp", "tie_word_embeddings", "rope_theta", "rope_scaling",
    "rope_parameters", "attention_bias", "attention_dropout", "mlp_bias", "torch_dtype", "dtype",
)  # fmt: skip
_QUICK_GELU = (
    "clip-vit-large-patch14-336",
    "clip-vit-large-patch14",
    "clip-vit-base-patch16",
    "clip-vit-base-patch32",
)
"""OpenAI's towers: their sizes follow from the tensors, their activation from the name alone."""
_HEAD_WIDTH = 64


def language_config(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns the configuration of a checkpoint's language model alone.

    Args:
        values: Those of the checkpoint's config.json.
        folder: Its folder, for the message.

    Raises:
        MismatchError: If it is of another architecture.
    """
    inner = values.get("text_config")
    found = inner if isinstance(inner, Mapping) else values
    model_type = found.get("model_type", "llama")
    if isinstance(inner, Mapping) and model_type != "llama":
        raise MismatchError(
            f"the language model in {folder} is not of Llama's architecture",
            seen=f"model_type {model_type!s:.40}",
            fix="Choose one whose text_config has model_type llama.",
        )
    kept = {name: found[name] for name in _LLAMA_FIELDS if name in found}
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **kept}


def tower_config_of(
    places: Mapping[str, TensorPlace], config: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Returns the configuration of the tower that a checkpoint holds.

    Args:
        places: Places of the checkpoint's tensors by canonical name.
        config: Values of the checkpoint's config.json.
        folder: Its folder, for messages.

    Raises:
        MismatchError: If it can't be told from name and tensors.
    """
    if isinstance(inner := config.get("vision_config"), Mapping):
        values = dict(inner)
        values.setdefault("model_type", "clip_vision_model")
        return values
    name = str(config.get("mm_vision_tower") or "")
    shapes = {key: place.shape for key, place in places.items() if key.startswith("vision_tower.")}
    if name.rstrip("/").rpartition("/")[2].lower() not in _QUICK_GELU:
        raise MismatchError(
            f"{folder} holds a tower whose configuration is not known",
            seen=f"mm_vision_tower {name!r:.100}",
            fix="Name a folder with its config.json with --tower.",
        )
    return _clip_config(shapes, folder)


def _clip_config(shapes: Mapping[str, tuple[int, ...]], folder: Path) -> dict[str, Any]:
    try:
        width, channels, patch, _ = shapes["vision_tower.embeddings.patch_embedding.weight"]
        positions, _ = shapes["vision_tower.embeddings.position_embedding.weight"]
        inner, _ = shapes["vision_tower.encoder.layers.0.mlp.fc1.weight"]
    except (KeyError, ValueError) as error:
        raise MismatchError(
            f"the tower in {folder} is none of CLIP's",
            seen=f"{error!s:.100}",
            fix="Name a folder with the tower's config.json with --tower.",
        ) from error
    layers = {key.split(".")[3] for key in shapes if key.startswith("vision_tower.encoder.layers.")}
    return {
        "architectures": ["CLIPVisionModel"],
        "model_type": "clip_vision_model",
        "hidden_act": "quick_gelu",
        "hidden_size": width,
        "image_size": math.isqrt(max(positions - 1, 0)) * patch,
        "intermediate_size": inner,
        "layer_norm_eps": 1e-5,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "num_channels": channels,
        "num_hidden_layers": len(layers),
        "patch_size": patch,
    }


def require_usual_features(config: Mapping[str, Any], folder: Path) -> None:
    """Rejects a checkpoint that uses its tower or its images in a way that ours doesn't.

    Args:
        config: Values of its config.json.
        folder: Its folder, for the message.

    Raises:
        MismatchError: If it does; it names each such setting.
    """
    usual: dict[str, tuple[object, ...]] = {
        "mm_vision_select_layer": (-2,),
        "mm_vision_select_feature": ("patch",),
        "vision_feature_layer": (-2,),
        "vision_feature_select_strategy": ("default",),
        "projector_hidden_act": ("gelu",),
        "multimodal_projector_bias": (True,),
        "mm_use_im_start_end": (False,),
        "image_aspect_ratio": ("pad", "square"),
    }
    strange = [
        f"{name} {config[name]!r:.40}"
        for name, values in usual.items()
        if config.get(name) is not None and config[name] not in values
    ]
    if strange:
        raise MismatchError(
            f"{folder} uses images in a way that is not supported",
            seen="; ".join(strange),
            fix="Supported is LLaVA-1.5's way: the patches of the layer before the last one, "
            "padded or cropped images, and no tokens around an image.",
        )


def image_aspect(config: Mapping[str, Any]) -> str:
    """Returns how a checkpoint makes images square: pad or crop.

    Hugging Face's configuration doesn't say it: those models were trained with pad.

    Args:
        config: Values of its config.json.
    """
    is_llava = "mm_vision_tower" in config
    aspect = config.get("image_aspect_ratio", "square" if is_llava else "pad")
    return "pad" if aspect == "pad" else "crop"
