"""A finished model as a folder of Hugging Face's LlavaForConditionalGeneration.

Names are the classic ones, which transformers 4 and 5, vLLM and converters read: save_pretrained of
transformers 5 writes others.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from palo import storage
from palo.checkpoint.exporting.chat_template import chat_template
from palo.checkpoint.exporting.llava_config import (
    llava_config,
    num_rows,
    select_strategy,
    tower_layout,
)
from palo.checkpoint.exporting.shards import (
    MAX_SHARD_BYTES,
    TensorSource,
    num_bytes,
    write_shards,
)
from palo.checkpoint.exporting.tokenizer_files import (
    IMAGE_TOKEN,
    WrittenTokenizer,
    write_tokenizer_files,
)
from palo.checkpoint.finished import StageResult, language_model_folder
from palo.checkpoint.merged_weights import MergedWeights, merged_weights
from palo.errors import ConfigError, MismatchError
from palo.model.backbones import backbone_of
from palo.model.config import PaloConfig
from palo.model.sizes import from_folders
from palo.text.encoding import stop_ids
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer, load_tokenizer

_PROJECTOR = "mlp2x_gelu"
# By canonical name: the two linear layers, with the activation between them.
_PROJECTOR_NAMES = {"projector.0.": "linear_1.", "projector.2.": "linear_2."}
_EMBEDDING = "language_model.model.embed_tokens.weight"
_HEAD = "language_model.lm_head.weight"


def stage_config(stage: StageResult) -> PaloConfig:
    """Returns the configuration of a finished model.

    Args:
        stage: The finished stage.

    Raises:
        MismatchError: If a part is none that can be loaded.
        StorageError: If one can't be read.
    """
    parts = stage.parts
    return from_folders(
        parts.tower, language_model_folder(stage), parts.projector_type, parts.image_size
    )


def require_llava(stage: StageResult) -> PaloConfig:
    """Returns the configuration of a model that Llava can express.

    Args:
        stage: The finished stage.

    Raises:
        ConfigError: If it can't be expressed.
    """
    if stage.parts.projector_type != _PROJECTOR:
        raise ConfigError(
            f"Llava has no projector but {_PROJECTOR}",
            seen=stage.parts.projector_type,
            fix="Export with --to palo, and serve it with this platform or its plugin for vLLM.",
        )
    if stage.preprocessing is None:
        raise ConfigError(
            "this model has seen no images in its training",
            seen=stage.folder,
            fix="Export with --to palo.",
        )
    config = stage_config(stage)
    backbone_of(config.text_config).require("export to llava", "Export with --to palo.")
    tower_layout(config)
    return config


def write_llava(
    stage: StageResult,
    folder: Path,
    dtype: torch.dtype,
    *,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    wrote: Callable[[int], None] = lambda _: None,
) -> None:
    """Writes weights, configuration, processor, tokenizer and chat template; verifies nothing.

    Args:
        stage: The finished stage, as `read_stage` describes it.
        folder: Where to write; created if it is missing.
        dtype: Type of the weights.
        max_shard_bytes: Most bytes of tensors in a file.
        wrote: Receives the bytes of each tensor that was written.

    Raises:
        ConfigError: If Llava can't express the model.
        MismatchError: If a part doesn't fit the others.
        StorageError: If a file can't be read or written.
    """
    config = require_llava(stage)
    storage.ensure_folder(folder)
    tokenizer = load_tokenizer(stage.parts.tokenizer)
    template = TEMPLATES[stage.template]
    longest = int(config.text_config.max_position_embeddings)
    written = write_tokenizer_files(tokenizer, folder, longest)
    storage.write_text(folder / "chat_template.jinja", chat_template(template, tokenizer))
    write_processor(stage, config, folder)
    values = llava_config(config, written, tokenizer.eos_id, str(dtype).removeprefix("torch."))
    storage.write_json(folder / "config.json", values)
    storage.write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": tokenizer.bos_id,
            "eos_token_id": list(stop_ids(template, tokenizer)),
            "pad_token_id": written.pad_id,
        },
    )
    sources = classic_sources(merged_weights(stage), config, written, tokenizer)
    write_shards(folder, sources, dtype, max_shard_bytes=max_shard_bytes, wrote=wrote)


def llava_bytes(stage: StageResult, dtype: torch.dtype) -> int:
    """Returns about how many bytes the weights of a Llava folder have.

    Args:
        stage: The finished stage.
        dtype: Type of the weights.

    Raises:
        StorageError: If a file is missing or damaged.
    """
    weights = merged_weights(stage)
    places = {
        name: TensorSource(shape=shape, read=_never) for name, shape in weights.shapes.items()
    }
    return num_bytes(places, dtype)


def _never() -> Tensor:
    raise AssertionError("only its size was asked for")


def classic_sources(
    weights: MergedWeights,
    config: PaloConfig,
    written: WrittenTokenizer,
    tokenizer: TextTokenizer,
) -> dict[str, TensorSource]:
    """Returns the tensors of a Llava folder by their classic names.

    Args:
        weights: The model's weights.
        config: Its configuration.
        written: The tokenizer beside it.
        tokenizer: The model's own tokenizer.

    Raises:
        MismatchError: If the language model has fewer words than the tokenizer.
    """
    if config.text_config.vocab_size < tokenizer.vocab_size:
        raise MismatchError(
            "the tokenizer has more tokens than the language model",
            seen=f"{tokenizer.vocab_size}, the model {config.text_config.vocab_size}",
            fix="Use the tokenizer that belongs to the language model.",
        )
    rows = num_rows(config, written)
    prefix = tower_layout(config).prefix
    tied = bool(config.text_config.tie_word_embeddings)
    return {
        _classic(name, prefix): _source(weights, name, rows)
        for name in sorted(weights.shapes)
        if not (tied and name == _HEAD)
    }


def _classic(name: str, tower_prefix: str) -> str:
    if name.startswith("vision_tower."):
        return f"vision_tower.{tower_prefix}{name.removeprefix('vision_tower.')}"
    for own, other in _PROJECTOR_NAMES.items():
        if name.startswith(own):
            return f"multi_modal_projector.{other}{name.removeprefix(own)}"
    return name


def _source(weights: MergedWeights, name: str, rows: int) -> TensorSource:
    shape = weights.shapes[name]
    if name not in (_EMBEDDING, _HEAD) or shape[0] == rows:
        return TensorSource(shape=shape, read=lambda: weights.read(name))
    return TensorSource(shape=(rows, *shape[1:]), read=lambda: _with_rows(weights.read(name), rows))


def _with_rows(table: Tensor, rows: int) -> Tensor:
    """Adds rows that are the mean of the others: as a word's logit, a mean is never the largest."""
    mean = table.float().mean(dim=0, keepdim=True).to(table.dtype)
    return torch.cat([table, mean.expand(rows - len(table), -1)])


def write_processor(stage: StageResult, config: PaloConfig, folder: Path) -> None:
    """Writes preprocessor_config.json and processor_config.json.

    Args:
        stage: The finished stage.
        config: Its configuration.
        folder: Where to write.

    Raises:
        ConfigError: If Llava can't take the tower.
        StorageError: If a file can't be written.
    """
    layout = tower_layout(config)
    values: Mapping[str, Any] = stage.preprocessing or {}
    side = config.input_image_size
    storage.write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "LlavaImageProcessor",
            "processor_class": "LlavaProcessor",
            "do_convert_rgb": True,
            "do_pad": values["aspect"] == "pad",
            "do_resize": True,
            "size": {"shortest_edge": values["shortest_edge"]},
            "resample": values["resample"],
            "do_center_crop": True,
            "crop_size": {"height": side, "width": side},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(values["mean"]),
            "image_std": list(values["std"]),
        },
    )
    storage.write_json(
        folder / "processor_config.json",
        {
            "processor_class": "LlavaProcessor",
            "image_token": IMAGE_TOKEN,
            "patch_size": config.vision_config.patch_size,
            "num_additional_image_tokens": layout.num_extra,
            "vision_feature_select_strategy": select_strategy(layout),
        },
    )
