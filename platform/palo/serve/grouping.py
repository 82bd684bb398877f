"""Which models share a deployment. Whoever asks needs no torch, which takes seconds to load."""

from collections.abc import Hashable, Iterable

from palo.checkpoint.finished import StageResult, describe_stage
from palo.errors import ConfigError
from palo.serve.settings import ModelSource
from palo.text.templates import TEMPLATES


def group_by_base(sources: Iterable[ModelSource]) -> list[tuple[ModelSource, ...]]:
    """Groups models that can share one base.

    Args:
        sources: The models.

    Raises:
        ConfigError: If two have the same name, or one was trained on captions only.
        DataError: If a folder holds no finished stage.
    """
    groups: dict[Hashable, list[ModelSource]] = {}
    names: set[str] = set()
    for source in sources:
        if source.name in names:
            raise ConfigError(
                "two models have one name", seen=source.name, fix="Give each its own."
            )
        names.add(source.name)
        stage = describe_stage(source.folder)
        if TEMPLATES[stage.template].caption:
            raise ConfigError(
                "this stage only describes images and can't talk",
                seen=source.folder,
                fix="Serve the finetune stage that was trained on it.",
            )
        groups.setdefault(_shared_base(stage) or source.name, []).append(source)
    return [tuple(group) for group in groups.values()]


def _shared_base(stage: StageResult) -> Hashable:
    """Returns a key that models on the same base share; None for a base of its own."""
    if not stage.has_adapter or stage.has_language_model:
        return None
    preprocessing = tuple(sorted((k, str(v)) for k, v in (stage.preprocessing or {}).items()))
    return stage.parts, preprocessing
