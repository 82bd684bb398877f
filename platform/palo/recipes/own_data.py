"""A recipe with data of one's own in the place of its instructions."""

from dataclasses import dataclass, replace
from pathlib import Path

from palo import storage
from palo.command import take_values
from palo.corpus.filter.mixture import EVERYTHING
from palo.errors import ConfigError
from palo.recipes.recipe import Recipe

_FLAGS = ("--data", "--images")


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnData:
    """Data of one's own.

    Attributes:
        rows: File of conversations or captions, a folder of such files, or a list of sources.
        images: Folder or archive of their images; None for the folder that the rows are in.
    """

    rows: Path
    images: Path | None = None


def take_own_data(arguments: list[str]) -> tuple[list[str], OwnData | None]:
    """Takes `--data FILE` and `--images FOLDER` from a command line.

    Args:
        arguments: The arguments after the script's name.

    Returns:
        The other arguments, and the data; None if there are none.

    Raises:
        ConfigError: If one of them has no value, or there are images without rows.
    """
    left, values = take_values(arguments, _FLAGS)
    if "--data" not in values:
        if values:
            raise ConfigError("--images without --data", fix="Write --data FILE --images FOLDER.")
        return left, None
    images = values.get("--images")
    rows = storage.path_of(values["--data"])
    return left, OwnData(rows=rows, images=None if images is None else storage.path_of(images))


def with_own_data(recipe: Recipe, own: OwnData) -> Recipe:
    """Returns a recipe whose finetune stage is trained on data of one's own alone.

    The pretrain stage keeps its captions, and the recipe's held-out data, which are about other
    images, are left out.

    Args:
        recipe: The recipe.
        own: The data.
    """
    images = own.images
    if images is None:
        images = own.rows if own.rows.is_dir() else own.rows.parent
    data = replace(
        recipe.data,
        instructions=own.rows,
        instructions_images=images,
        more_instructions=None,
        more_language=None,
        mixture=EVERYTHING,
        expected_instructions=None,
        expected_images=None,
        questions=None,
        questions_images=None,
        photos=None,
        photos_images=None,
        score_every=None,
    )
    output = recipe.output.with_name(f"{recipe.output.name}-{own.rows.stem or 'own'}")
    finetune = replace(recipe.finetune, languages=None)
    return replace(recipe, data=data, output=output, finetune=finetune)
