"""The first step of a run that draws its source files: scenes, and rows about them."""

from collections.abc import Callable
from pathlib import Path

from palo import storage
from palo.config import to_dict
from palo.pipeline.timings import measured
from palo.progress import Meter
from palo.recipes.recipe import DRAWN, Recipe
from palo.scenes.corpus import SceneCorpusConfig, write_scenes
from palo.scenes.phrase_book import silent_codes
from palo.scenes.requests import write_requests
from palo.scenes.signs.rows import write_signs
from palo.scenes.text_rows import write_text_rows


def write_scene_files(
    recipe: Recipe, scenes: SceneCorpusConfig, say: Callable[[str], None]
) -> None:
    """Draws the scenes of a recipe and writes the rows about them, what isn't there yet.

    Args:
        recipe: The run.
        scenes: Its scenes.
        say: Takes lines for people.

    Raises:
        ConfigError: If a setting is wrong.
        DataError: If a language has no phrase book, no signs, or no font for them.
        StorageError: If a file can't be read or written.
    """
    folder = recipe.output / DRAWN
    _draw(recipe, scenes, folder, say)
    if recipe.heldout_requests:
        write_requests(folder, scenes)
    if recipe.text_rows is not None:
        write_text_rows(folder, recipe.text_rows)
    if recipe.signs is not None:
        write_signs(folder, recipe.signs)


def _draw(
    recipe: Recipe, scenes: SceneCorpusConfig, folder: Path, say: Callable[[str], None]
) -> None:
    wanted = to_dict(scenes)
    marker = folder / "scenes.json"
    if marker.is_file() and storage.read_json(marker)["config"] == wanted:
        print(f"scenes    already drawn in {folder}")
        return
    if not scenes.languages and (silent := silent_codes()):
        print(f"scenes    speak no {', '.join(silent)}: words are missing in scenes.toml")
    meter = Meter("draw", "images", say, scenes.num_train_scenes)
    with measured(recipe, "scenes"):
        corpus = write_scenes(folder, scenes, on_drawn=lambda: meter.add(1))
        meter.finish()
    print(f"scenes    {corpus.num_records:,} conversations, {corpus.num_captions:,} captions")
