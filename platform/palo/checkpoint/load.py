"""Loading the model of a finished stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

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
from palo.text.templates import TEMPLATES, Template
from palo.text.tokenizer import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    from peft import PeftModel

    from palo.model import PaloForConditionalGeneration


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
    from peft import PeftModel

    require_adapter(folder)
    with without_peft_warning():
        return PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=False)
