"""An align stage for any recipe."""

from dataclasses import replace
from pathlib import Path

from palo.corpus.parallel.settings import ParallelSettings
from palo.recipes.recipe import Recipe
from palo.train.watch_settings import ValidationSettings


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
