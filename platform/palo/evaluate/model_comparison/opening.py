"""Opens a folder as a compared model; what kind it is, its content says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from palo import storage
from palo.checkpoint.finished import is_finished, stage_folder
from palo.errors import DataError

if TYPE_CHECKING:
    from palo.evaluate.model_comparison.compared_model import ComparedDtype, ComparedModel

    Opener = Callable[[Path, ComparedDtype | None], ComparedModel]


def _stage(folder: Path, dtype: "ComparedDtype | None") -> "ComparedModel":
    from palo.evaluate.model_comparison.stage_model import StageModel

    return StageModel(folder, dtype)


def _llava(folder: Path, dtype: "ComparedDtype | None") -> "ComparedModel":
    from palo.evaluate.model_comparison.llava_model import LlavaModel

    return LlavaModel(folder, dtype)


_OPENERS: "Mapping[str, Opener]" = MappingProxyType({"llava": _llava})
"""By the `model_type` of config.json."""


def open_compared(folder: Path, dtype: "ComparedDtype | None" = None) -> "ComparedModel":
    """Loads a model to be compared.

    Args:
        folder: Folder of a run, of a finished stage, or in Hugging Face's Llava layout.
        dtype: Number format; None for bfloat16 on a GPU and float32 without one.

    Raises:
        DataError: If it is neither.
        MismatchError: If its files don't fit together.
        StorageError: If a file can't be read.
    """
    if is_finished(stage_folder(folder)):
        return _stage(folder, dtype)
    path = folder / "config.json"
    values = storage.read_json(path) if path.is_file() else {}
    kind = values.get("model_type") if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in _OPENERS:
        raise DataError(
            "this is no model that can be compared",
            seen=f"{folder}, model_type {kind}",
            fix="Name a run, a finished stage, or a folder in Hugging Face's Llava layout.",
        )
    return _OPENERS[kind](folder, dtype)
