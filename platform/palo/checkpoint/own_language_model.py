"""Where the whole language model of a finished stage lies, and which stage one belongs to."""

from pathlib import Path

from palo.checkpoint.finished import is_finished

MERGED_FROM = "merged_from"
"""Field of the record of a merged language model that names its stage."""

_NAME, _MERGED = "language_model", "merged"


def own_language_model(stage: Path, *, has_adapter: bool) -> Path:
    """Returns where the language model of a finished stage lies, whole, once it was merged.

    Args:
        stage: Folder of the stage.
        has_adapter: Whether it trained an adapter, or else all of the language model.
    """
    return stage / _MERGED / _NAME if has_adapter else stage / _NAME


def stage_of(language_model: Path) -> Path | None:
    """Returns the finished stage that a language model was trained in; None for any other one.

    Args:
        language_model: Folder of a language model.
    """
    folder = language_model.resolve()
    if folder.name != _NAME:
        return None
    stage = folder.parent.parent if folder.parent.name == _MERGED else folder.parent
    return stage if is_finished(stage) else None
