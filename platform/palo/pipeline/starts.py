"""Recipes that start from what was trained before: a projector, an aligned language model."""

from dataclasses import replace
from pathlib import Path

from palo.checkpoint.finished import describe_stage, is_finished
from palo.checkpoint.parts import own_language_model
from palo.errors import DataError
from palo.recipes.recipe import Recipe

_STAGE = "align"


def with_aligned(recipe: Recipe, place: Path) -> Recipe:
    """Returns a recipe that starts from a language model that was aligned before.

    Args:
        recipe: The recipe.
        place: The finished align stage, or its run. Whether it is there, `require_aligned` says.
    """
    named = place if place.name == _STAGE else place / _STAGE
    return _from_aligned(recipe, aligned_stage(place) or named)


def require_aligned(recipe: Recipe) -> None:
    """Checks that an aligned language model that a recipe starts from is there.

    Args:
        recipe: The recipe.

    Raises:
        DataError: If it is not.
    """
    folder = recipe.parts.language_model
    stage = folder.parent.parent
    if stage.name == _STAGE and not folder.is_dir():
        raise DataError(
            "there is no aligned language model here",
            seen=stage,
            fix="Train it with jobs/align.py, which merges it, too; or name another run.",
        )


def with_start(recipe: Recipe, start: Path) -> Recipe:
    """Returns a recipe without a pretrain stage, which starts from a projector.

    If the projector's run aligned its language model first, that is the start, too: the projector
    has learned to speak to that one.

    Args:
        recipe: The recipe.
        start: A run, a finished stage or a released projector.
    """
    started = replace(recipe, pretrain=None, projector=start)
    folder = aligned_stage(start) or (aligned_stage(start.parent) if is_finished(start) else None)
    return started if folder is None else _from_aligned(started, folder)


def aligned_stage(place: Path) -> Path | None:
    """Returns the folder of a finished align stage; None where there is none.

    Args:
        place: A run, or the stage itself.
    """
    found = (one for one in (place / _STAGE, place) if one.name == _STAGE and is_finished(one))
    return next(found, None)


def _from_aligned(recipe: Recipe, stage: Path) -> Recipe:
    has_adapter = not is_finished(stage) or describe_stage(stage).has_adapter
    language_model = own_language_model(stage, has_adapter=has_adapter)
    parts = replace(recipe.parts, language_model=language_model)
    return replace(recipe, parts=parts, align=None, parallel=None, scene_text=None)
