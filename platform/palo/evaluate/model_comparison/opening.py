"""Opens a folder as a compared model; what kind it is, its content says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from palo import storage
from palo.checkpoint.finished import is_finished, stage_folder
from palo.checkpoint.importing import open_model

if TYPE_CHECKING:
    from palo.evaluate.model_comparison.compared_model import ComparedDtype, ComparedModel

    Opener = Callable[[Path, ComparedDtype | None], ComparedModel]


def _stage(folder: Path, dtype: "ComparedDtype | None") -> "ComparedModel":
    from palo.evaluate.model_comparison.stage_model import StageModel

    return StageModel(open_model(folder), dtype, folder.name)


def _llava(folder: Path, dtype: "ComparedDtype | None") -> "ComparedModel":
    from palo.evaluate.model_comparison.llava_model import LlavaModel

    return LlavaModel(folder, dtype)


_OPENERS: "Mapping[str, Opener]" = MappingProxyType({"LlavaForConditionalGeneration": _llava})
"""Models that aren't imported to be compared, by the architecture that config.json names."""


def open_compared(folder: Path, dtype: "ComparedDtype | None" = None) -> "ComparedModel":
    """Loads a model to be compared.

    Args:
        folder: Folder of a run, of a finished stage, in Hugging Face's Llava layout, which
            transformers alone loads, or of another checkpoint that can be imported.
        dtype: Number format; None for bfloat16 on a GPU and float32 without one.

    Raises:
        DataError: If it is no model.
        MismatchError: If its files don't fit together.
        StorageError: If a file can't be read.
    """
    if is_finished(stage_folder(folder)):
        return _stage(folder, dtype)
    return _OPENERS.get(_architecture(folder), _stage)(folder, dtype)


def _architecture(folder: Path) -> str:
    """Returns the architecture that a folder's config.json names; empty where it names none."""
    path = folder / "config.json"
    values = storage.read_json(path) if path.is_file() else {}
    named = values.get("architectures") if isinstance(values, dict) else None
    return str(named[0]) if isinstance(named, list) and named else ""
