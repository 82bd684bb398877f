"""The adapter of a finished model for the plain base language model, with the projector beside it.

Training names the adapter's places within the whole model; here they are named as PEFT names them
in the language model alone, so that it loads on the base model that everybody has. Where the
vocabulary was extended, it holds all rows of new tokens: the base model only needs as many rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from palo import storage
from palo.checkpoint.aligned_from import stage_of
from palo.checkpoint.exporting.licences import named_model
from palo.checkpoint.finished import StageResult, projector_file, read_projector
from palo.checkpoint.merged_weights import merged_weights
from palo.checkpoint.tensors import write_tensors
from palo.errors import ConfigError
from palo.model.folder_guard import require_adapter
from palo.model.new_token_names import first_new_id
from palo.text.tokenizer import load_tokenizer

_OURS, _PLAIN = "base_model.model.language_model.", "base_model.model."


def require_plain_adapter(stage: StageResult) -> None:
    """Checks that a model is a base language model and an adapter for it.

    Args:
        stage: The finished stage.

    Raises:
        ConfigError: If its training made no adapter, or trained the whole language model, or its
            adapter is for a language model that was aligned first, which nobody else has.
    """
    if stage_of(stage.parts.language_model) is not None:
        raise ConfigError(
            "this model's adapter is for a language model that was aligned on parallel text",
            seen=stage.parts.language_model,
            fix="Export with --to llava or --to palo, which write all weights.",
        )
    if not stage.has_adapter or stage.has_language_model:
        raise ConfigError(
            "this model has no adapter beside its base language model",
            seen=stage.folder,
            fix="Export with --to llava or --to palo.",
        )


def write_adapter(stage: StageResult, folder: Path) -> None:
    """Writes a PEFT adapter and the projector; verifies nothing.

    Args:
        stage: The finished stage, as `read_stage` describes it.
        folder: Where to write.

    Raises:
        ConfigError: If the model has no adapter.
        MismatchError: If the adapter is more than LoRA or DoRA, or doesn't fit the language model.
        StorageError: If a file can't be read or written.
    """
    require_plain_adapter(stage)
    own = stage.folder / "adapter"
    merged_weights(stage)  # checks each pair of matrices against the weight that it changes
    values = require_adapter(own)
    tensors = load_file(own / "adapter_model.safetensors")
    write_tensors(
        folder / "adapter_model.safetensors",
        {_PLAIN + name.removeprefix(_OURS): tensor for name, tensor in tensors.items()},
    )
    storage.write_json(folder / "adapter_config.json", _config(values, tensors, stage))
    write_tensors(folder / "projector.safetensors", read_projector(stage.folder))
    if first_new_id(stage.parts.language_model) is not None:
        # The plain base model's own tokenizer lacks the new tokens.
        for path in load_tokenizer(stage.parts.tokenizer).files:
            storage.copy_file(path, folder / path.name)


def adapter_bytes(stage: StageResult) -> int:
    """Returns about how many bytes the folder of an adapter has.

    Args:
        stage: The finished stage.
    """
    files = (stage.folder / "adapter" / "adapter_model.safetensors", projector_file(stage.folder))
    with storage.wrap_os_errors("read", stage.folder):
        return sum(path.stat().st_size for path in files)


def _config(
    values: Mapping[str, Any], tensors: Mapping[str, object], stage: StageResult
) -> dict[str, Any]:
    """Names the modules: a pattern of whole names is more than vLLM and others take."""
    stems = [name.partition(".lora_")[0] for name in tensors if ".lora_" in name]
    targets = sorted({stem.rpartition(".")[2] for stem in stems})
    base = named_model(stage.parts.language_model)
    return dict(values) | {
        "base_model_name_or_path": base,
        "inference_mode": True,
        "target_modules": targets,
        "exclude_modules": None,
    }
