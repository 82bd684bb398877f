"""Which backbone a folder holds, by its config.json alone."""

from pathlib import Path

from palo.model.backbones import Backbone, require_backbone
from palo.model.folder_guard import read_safe_config


def read_backbone(folder: Path) -> Backbone:
    """Returns the backbone of a folder's language model, by its config.json alone.

    Args:
        folder: Hugging Face folder of a language model.

    Raises:
        MismatchError: If it is of no architecture that is known here.
        StorageError: If there is no readable config.json.
    """
    return require_backbone(read_safe_config(folder), folder)
