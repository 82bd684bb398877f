"""Which finished stage a language model was trained in."""

from pathlib import Path

from palo.checkpoint.finished import is_finished
from palo.checkpoint.parts import own_language_model

MERGED_FROM = "merged_from"
"""Field of the record of a merged language model that names its stage."""


def stage_of(language_model: Path) -> Path | None:
    """Returns the finished stage that a language model was trained in; None for any other one.

    Args:
        language_model: Folder of a language model.
    """
    folder = language_model.resolve()
    for stage in (folder.parent, folder.parent.parent):
        own = {own_language_model(stage, has_adapter=has_adapter) for has_adapter in (False, True)}
        if folder in own and is_finished(stage):
            return stage
    return None
