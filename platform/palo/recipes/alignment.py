"""An align stage for any recipe, and recipes that start from one that was trained before."""

from dataclasses import replace
from pathlib import Path

from palo.checkpoint.finished import describe_stage, is_finished
from palo.checkpoint.own_language_model import own_language_model
from palo.corpus.parallel.settings import ParallelSettings
from palo.errors import DataError
from palo.recipes.recipe import Recipe
from palo.train.watch_settings import ValidationSettings

_STAGE = "align"


def with_parallel(recipe: Recipe, text: Path) -> Recipe:
    """Returns a recipe whose language model is aligned on parallel text first.

    A recipe without an align stage gets one with the settings of its finetune stage, for one epoch.

    Args:
        recipe: The recipe.
        text: File or folder of parallel text, or a list of its sources.
    """
    name = f"{recipe.output.name}-{text.stem or 'parallel'}"
    parallel = ParallelSettings(path=text)
    if recipe.parallel is not None:
        parallel = replace(recipe.parallel, path=text)
    stage = recipe.align or replace(
        recipe.finetune,
        optimizer=replace(recipe.finetune.optimizer, lr_projector=0.0),
        epochs=1,
        languages=None,
        validation=ValidationSettings(),
    )
    return replace(
        recipe,
        output=recipe.output.with_name(name),
        align=stage,
        parallel=parallel,
        scene_text=None,
    )


def with_aligned(recipe: Recipe, place: Path) -> Recipe:
    """Returns a recipe that starts from a language model that was aligned before.

    Args:
        recipe: The recipe.
        place: The finished align stage, or its run.

    Raises:
        DataError: If there is no finished align stage.
    """
    folder = aligned_stage(place)
    if folder is None:
        raise DataError(
            "there is no finished align stage here",
            seen=place,
            fix="Train one with jobs/align.py, or name the run or the stage of another one.",
        )
    return _from_aligned(recipe, folder)


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


def _from_aligned(recipe: Recipe, folder: Path) -> Recipe:
    language_model = own_language_model(folder, has_adapter=describe_stage(folder).has_adapter)
    if not language_model.is_dir():
        raise DataError(
            "the align stage is finished, but its language model is not merged",
            seen=language_model,
            fix="Run jobs/align.py with its recipe again, which only merges.",
        )
    parts = replace(recipe.parts, language_model=language_model)
    return replace(recipe, parts=parts, align=None, parallel=None, scene_text=None)
