"""config.json and generation_config.json of a Llava folder, as every reader of them wants it.

transformers 5 reads rope_parameters and dtype, transformers 4 and what builds on it rope_theta,
rope_scaling and torch_dtype: all of them are written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from palo.checkpoint.exporting.tokenizer_files import WrittenTokenizer
from palo.errors import ConfigError
from palo.model.backbones import backbone_of
from palo.model.config import PaloConfig

_WHOLE, _WINDOWED = "full_attention", "sliding_attention"
_MULTIPLE = 64  # llava-hf pads vocabularies to a multiple of this, and so do kernels
_NOT_WRITTEN = ("_name_or_path", "_from_model_config", "transformers_version", "architectures")


@dataclass(frozen=True, slots=True)
class TowerLayout:
    """How Hugging Face's Llava takes a vision tower.

    Attributes:
        prefix: What its names begin with in a classic folder, after `vision_tower.`.
        num_extra: Tokens before those of the patches.
        interpolates: Whether it takes images of another size than its own without being asked to.
    """

    prefix: str
    num_extra: int
    interpolates: bool


_TOWERS: Mapping[str, TowerLayout] = MappingProxyType(
    {
        "clip_vision_model": TowerLayout("vision_model.", 1, interpolates=False),
        "siglip_vision_model": TowerLayout("vision_model.", 0, interpolates=False),
        "dinov2": TowerLayout("", 1, interpolates=True),
    }
)


def tower_layout(config: PaloConfig) -> TowerLayout:
    """Returns how Llava takes a model's tower.

    Args:
        config: The model's configuration.

    Raises:
        ConfigError: If it can't.
    """
    tower = config.vision_config
    layout = _TOWERS.get(tower.model_type)
    if layout is None:
        raise ConfigError(
            "this vision tower isn't one that can be written as Llava",
            seen=tower.model_type,
            fix=f"Export with --to palo; Llava takes {', '.join(_TOWERS)}.",
        )
    if config.image_size not in (None, tower.image_size) and not layout.interpolates:
        raise ConfigError(
            "Llava has no images of another size than the vision tower's own",
            seen=f"{config.image_size} pixels, the tower has {tower.image_size}",
            fix="Export with --to palo.",
        )
    return layout


def num_rows(config: PaloConfig, tokenizer: WrittenTokenizer) -> int:
    """Returns how many rows the embeddings have in a Llava folder.

    Args:
        config: The model's configuration.
        tokenizer: The tokenizer beside it.
    """
    own = int(config.text_config.vocab_size)
    return own if own >= tokenizer.vocab_size else -(-tokenizer.vocab_size // _MULTIPLE) * _MULTIPLE


def llava_config(
    config: PaloConfig, tokenizer: WrittenTokenizer, eos_id: int, dtype: str
) -> dict[str, Any]:
    """Returns the values of config.json.

    Args:
        config: The model's configuration.
        tokenizer: The tokenizer beside it.
        eos_id: Id of the token that ends an answer.
        dtype: Type of the weights, such as bfloat16.

    Raises:
        ConfigError: If Llava can't express the model.
    """
    layout = tower_layout(config)
    types = {"dtype": dtype, "torch_dtype": dtype}
    text = _plain(config.text_config.to_dict()) | types
    text |= _old_rope(text.get("rope_parameters") or {})
    backbone = backbone_of(config.text_config)
    tied = bool(config.text_config.tie_word_embeddings)
    text |= {
        "architectures": [backbone.causal_lm],
        "vocab_size": num_rows(config, tokenizer),
        "pad_token_id": tokenizer.pad_id,
        "eos_token_id": eos_id,
        "tie_word_embeddings": tied,
    }
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        **types,
        "image_seq_length": config.num_patches,
        "image_token_index": tokenizer.image_id,
        "image_token_id": tokenizer.image_id,
        "multimodal_projector_bias": True,
        "pad_token_id": tokenizer.pad_id,
        "eos_token_id": eos_id,
        "projector_hidden_act": "gelu",
        "text_config": text,
        "tie_word_embeddings": tied,
        "vision_config": _plain(config.vision_config.to_dict()) | types,
        "vision_feature_layer": config.vision_feature_layer,
        "vision_feature_select_strategy": select_strategy(layout),
    }


def select_strategy(layout: TowerLayout) -> str:
    """Returns Llava's word for dropping the token before the patches, or for keeping all.

    Args:
        layout: How Llava takes the tower.
    """
    return "default" if layout.num_extra else "full"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _NOT_WRITTEN}


def _old_rope(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns rotary embeddings as transformers 4 has them."""
    if _WHOLE in parameters:  # Gemma 3: layers with a window turn by angles of their own
        local = parameters[_WINDOWED].get("rope_theta", 10_000.0)
        return _old_rope(parameters[_WHOLE]) | {"rope_local_base_freq": float(local)}
    others = {name: value for name, value in parameters.items() if name != "rope_theta"}
    is_default = others.get("rope_type", "default") == "default"
    theta = float(parameters.get("rope_theta", 10_000.0))
    return {"rope_theta": theta, "rope_scaling": None if is_default else others}
