"""Loading the model of a finished stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from palo.checkpoint.finished import (
    StageResult,
    language_model_folder,
    local_copy,
    read_projector,
    read_stage,
)
from palo.errors import MismatchError
from palo.model.assemble import assemble
from palo.model.folder_guard import require_adapter
from palo.model.library_noise import without_peft_warning
from palo.model.new_token_names import FIRST_NEW_ID, table_of
from palo.model.new_tokens import put_new_rows
from palo.text.templates import TEMPLATES, Template
from palo.text.tokenizer import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    from peft import PeftModel

    from palo.model import PaloForConditionalGeneration

_PEFT_PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A finished model with what its prompts need.

    Attributes:
        model: In evaluation mode, LoRA merged into the weights.
        tokenizer: Its tokenizer.
        template: The conversation template that it was trained with.
        stage: The finished stage that it came from.
    """

    model: "PaloForConditionalGeneration"
    tokenizer: TextTokenizer
    template: Template
    stage: StageResult


def load_trained(folder: Path, dtype: torch.dtype = torch.float32) -> TrainedModel:
    """Loads the model of a finished stage.

    Args:
        folder: Folder of the stage, on a disk or on S3.
        dtype: Type of the weights.

    Raises:
        DataError: If the folder holds no finished stage.
        MismatchError: If its weights are not for its pretrained parts.
    """
    folder = local_copy(folder)
    stage = read_stage(folder)
    model = unmerged_model(stage, dtype)
    if stage.has_adapter:
        model = merge_adapter(model, folder / "adapter")
    return TrainedModel(
        model.eval(), load_tokenizer(stage.parts.tokenizer), TEMPLATES[stage.template], stage
    )


def unmerged_model(stage: StageResult, dtype: torch.dtype) -> "PaloForConditionalGeneration":
    """Loads the parts and the projector of a finished stage, but for its adapter.

    Args:
        stage: The finished stage.
        dtype: Type of the weights.

    Raises:
        MismatchError: If the projector is not for the parts.
        StorageError: If a file is missing or damaged.
    """
    parts = stage.parts
    model = assemble(
        parts.tower,
        language_model_folder(stage),
        parts.projector_type,
        image_size=parts.image_size,
        dtype=dtype,
    )
    try:
        model.projector.load_state_dict(read_projector(stage.folder))
    except RuntimeError as error:
        raise MismatchError(
            f"the projector of {stage.folder} doesn't fit its model",
            seen=str(error).splitlines()[-1].strip(),
            fix="Use the folder as the training left it.",
        ) from error
    model.eval()
    return model


def merge_adapter(
    model: "PaloForConditionalGeneration", folder: Path
) -> "PaloForConditionalGeneration":
    """Adds a PEFT adapter to a model's own weights.

    Args:
        model: The model; it is changed in place.
        folder: Folder of the adapter.

    Raises:
        MismatchError: If it is more than plain LoRA.
        StorageError: If it can't be read, or is not in safetensors.
    """
    wrapped = attach_adapter(model, folder)
    with without_peft_warning():
        merged: PaloForConditionalGeneration = wrapped.merge_and_unload()
    return merged


def attach_adapter(model: "PaloForConditionalGeneration", folder: Path) -> "PeftModel":
    """Puts a PEFT adapter beside a model's own weights.

    Args:
        model: The model; it is changed in place.
        folder: Folder of the adapter.

    Returns:
        PEFT's wrapper around the model.

    Raises:
        MismatchError: If it is more than plain LoRA.
        StorageError: If it can't be read, or is not in safetensors.
    """
    from peft import LoraConfig, PeftModel

    require_adapter(folder)
    config = LoraConfig.from_pretrained(str(folder))
    if config.trainable_token_indices is not None:
        # PEFT would copy the whole tables in each forward pass, to the same effect.
        _take_new_tokens(model, folder)
        config.trainable_token_indices = None
    with without_peft_warning():
        return PeftModel.from_pretrained(
            model, str(folder), config=config, autocast_adapter_dtype=False
        )


def _take_new_tokens(model: "PaloForConditionalGeneration", folder: Path) -> None:
    first = getattr(model.config.text_config, FIRST_NEW_ID, None)
    if first is None:
        raise MismatchError(
            f"the adapter {folder} is for a language model with more tokens",
            seen="one whose vocabulary was not extended",
            fix="Use the language model that the adapter was trained on.",
        )
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        tables = {key: table_of(key.removeprefix(_PEFT_PREFIX)) for key in file.keys()}  # noqa: SIM118
        rows = {table: file.get_tensor(key) for key, table in tables.items() if table is not None}
    put_new_rows(model, rows, first)
