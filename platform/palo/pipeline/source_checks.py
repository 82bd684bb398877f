"""A look at the sources of a recipe before anything heavy starts."""

from collections.abc import Iterator
from pathlib import Path

from palo.corpus.config import SourceConfig
from palo.corpus.source_check import check_images
from palo.corpus.sources import split_source
from palo.errors import StorageError
from palo.pipeline.parallel_text import check_parallel, missing_parallel
from palo.pipeline.steps import StageName, corpus_config, stage_names
from palo.recipes.recipe import DRAWN, Recipe


def check_sources(recipe: Recipe) -> None:
    """Looks at the files and image folders of all sources, but drawn scenes.

    Args:
        recipe: The run.

    Raises:
        ConfigError: If an image folder or a setting is wrong.
        DataError: If a file is no source, or its images aren't where it says.
        StorageError: If one can't be read.
    """
    for stage in stage_names(recipe):
        if stage == "align":
            check_parallel(recipe)
            continue
        for source in _own_sources(recipe, stage):
            check_images(source, split_source(source.path, source.format))


def missing_sources(recipe: Recipe, stage: StageName) -> Iterator[Path]:
    """Yields the sources of a stage that are not there yet, and looks at the others.

    Args:
        recipe: The run.
        stage: The stage.

    Raises:
        ConfigError: See `check_sources`.
        DataError: See `check_sources`.
    """
    if stage == "align":
        yield from missing_parallel(recipe)
        return
    for source in _own_sources(recipe, stage):
        try:
            splits = split_source(source.path, source.format)
        except StorageError:
            yield source.path
        else:
            check_images(source, splits)


def _own_sources(recipe: Recipe, stage: StageName) -> Iterator[SourceConfig]:
    for source in corpus_config(recipe, stage).sources:
        is_drawn = source.path.is_relative_to(recipe.output / DRAWN)
        if recipe.scenes is None or not is_drawn:
            yield source
