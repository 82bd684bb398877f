"""The parallel text of an alignment stage: sentences about scenes, and rows for its corpus."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from palo.config import fingerprint, to_dict
from palo.corpus.parallel.files import text_files
from palo.corpus.parallel.settings import ParallelSettings
from palo.corpus.parallel.write import write_parallel_rows
from palo.errors import DataError, StorageError
from palo.pipeline.timings import measured
from palo.recipes.recipe import Recipe
from palo.scenes.parallel_text import write_scene_text

_DIGITS = 12


def parallel_settings(recipe: Recipe) -> ParallelSettings:
    """Returns the parallel text of a recipe that has some, with the path where it lies.

    Args:
        recipe: The run.
    """
    assert recipe.parallel is not None
    return replace(recipe.parallel, path=recipe.source(recipe.parallel.path))


def parallel_folder(recipe: Recipe) -> Path:
    """Returns where the rows of a recipe's parallel text go.

    Args:
        recipe: The run.
    """
    if recipe.corpora is None:
        return recipe.corpora_folder / "parallel"
    settings = to_dict(parallel_settings(recipe))
    del settings["mixture"]  # chooses among the rows
    return recipe.corpora / f"parallel-{fingerprint(settings)[:_DIGITS]}"


def check_parallel(recipe: Recipe) -> None:
    """Looks for the files of a recipe's parallel text, but for what is written first.

    Args:
        recipe: The run.

    Raises:
        ConfigError: If a list of sources is wrong.
        DataError: If a source has no files.
        StorageError: If one can't be read.
    """
    if recipe.scene_text is None:
        for source in parallel_settings(recipe).sources:
            text_files(source)


def missing_parallel(recipe: Recipe) -> Iterator[Path]:
    """Yields the paths of parallel text that is not there yet.

    Args:
        recipe: The run.

    Raises:
        ConfigError: If a list of sources is wrong.
    """
    if recipe.scene_text is not None:
        return
    for source in parallel_settings(recipe).sources:
        try:
            text_files(source)
        except (DataError, StorageError):
            yield from source.files.values() if source.path is None else (source.path,)


def prepare_text(recipe: Recipe, say: Callable[[str], None]) -> None:
    """Writes the rows of a recipe's parallel text, unless they are there.

    Args:
        recipe: The run.
        say: Takes lines for people.

    Raises:
        ConfigError: If a setting is wrong.
        DataError: If the text can't be used.
        StorageError: If a file can't be read or written.
    """
    with measured(recipe, "parallel"):
        if recipe.scene_text is not None:
            write_scene_text(recipe.output / "scenes", recipe.scene_text)
        write_parallel_rows(parallel_settings(recipe), parallel_folder(recipe), say)
