"""A finished model as one folder of our own format: all parts inside, the adapter merged.

It can be moved anywhere, and is read like any finished stage.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from palo import storage
from palo.checkpoint.exporting.shards import TensorSource, num_bytes, write_shards
from palo.checkpoint.finished import (
    StageResult,
    language_model_folder,
    projector_file,
    read_projector,
    write_stage,
)
from palo.checkpoint.merged_weights import MergedWeights, merged_weights
from palo.checkpoint.parts import ModelParts
from palo.model.folder_guard import require_own_files
from palo.text.tokenizer import load_tokenizer

_PREFIX = "language_model."
_CONFIGS = ("config.json", "preprocessor_config.json", "generation_config.json")


def write_own_format(
    stage: StageResult,
    folder: Path,
    dtype: torch.dtype,
    *,
    lineage: Mapping[str, Any],
    wrote: Callable[[int], None] = lambda _: None,
) -> None:
    """Writes a finished stage with everything that it needs; verifies nothing.

    Args:
        stage: The finished stage, as `read_stage` describes it.
        folder: Where to write.
        dtype: Type of the language model's weights; tower and projector stay as they are.
        lineage: What the model was made of, as JSON values.
        wrote: Receives the bytes of each tensor that was written.

    Raises:
        MismatchError: If a part doesn't fit the others.
        StorageError: If a file can't be read or written, or is a link out of its folder.
    """
    parts = ModelParts(
        tower=folder / "tower",
        language_model=folder / "language_model",
        tokenizer=folder / "tokenizer",
        projector_type=stage.parts.projector_type,
        image_size=stage.parts.image_size,
    )
    for part in (stage.parts.tower, language_model_folder(stage), stage.parts.tokenizer):
        require_own_files(part)  # a link to elsewhere must not be copied as if it were a part
    for source, target in (
        (stage.parts.tower, parts.tower),
        (language_model_folder(stage), parts.language_model),
    ):
        storage.ensure_folder(target)
        for name in _CONFIGS:
            if (source / name).is_file():
                _copy(source / name, target / name)
    config = storage.read_json(parts.language_model / "config.json")
    config |= {"dtype": str(dtype).removeprefix("torch.")}
    config.pop("torch_dtype", None)
    storage.write_json(parts.language_model / "config.json", config)
    for path in _tower_files(stage):
        _copy(path, parts.tower / path.name)
        wrote(path.stat().st_size)
    write_shards(parts.language_model, _language_model(merged_weights(stage)), dtype, wrote=wrote)
    storage.ensure_folder(parts.tokenizer)
    for path in load_tokenizer(stage.parts.tokenizer).files:
        _copy(path, parts.tokenizer / path.name)
    record = {key: value for key, value in lineage.items() if key not in ("weights", "versions")}
    write_stage(
        folder,
        {f"projector.{name}": tensor for name, tensor in read_projector(stage.folder).items()},
        parts=parts,
        lora=None,
        template=stage.template,
        preprocessing=stage.preprocessing,
        lineage=record,
    )


def own_format_bytes(stage: StageResult, dtype: torch.dtype) -> int:
    """Returns about how many bytes a folder of our own format has.

    Args:
        stage: The finished stage.
        dtype: Type of the language model's weights.

    Raises:
        StorageError: If a file is missing or damaged.
    """
    files = [*_tower_files(stage), projector_file(stage.folder)]
    with storage.wrap_os_errors("read", stage.parts.tower):
        copied = sum(path.stat().st_size for path in files)
    return copied + num_bytes(_language_model(merged_weights(stage)), dtype)


def _tower_files(stage: StageResult) -> list[Path]:
    tower = stage.parts.tower
    return [*sorted(tower.glob("*.safetensors")), *sorted(tower.glob("*.safetensors.index.json"))]


def _language_model(weights: MergedWeights) -> dict[str, TensorSource]:
    def source(name: str) -> TensorSource:
        return TensorSource(shape=weights.shapes[name], read=lambda: weights.read(name))

    return {
        name.removeprefix(_PREFIX): source(name)
        for name in sorted(weights.shapes)
        if name.startswith(_PREFIX)
    }


def _copy(source: Path, target: Path) -> None:
    with storage.replacing(target) as partial, storage.wrap_os_errors("copy", source):
        shutil.copyfile(source, partial)
