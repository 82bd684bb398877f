"""From a command line to the steps of a recipe."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from palo import storage
from palo.command import parse_recipe, take_values
from palo.recipes import RECIPES, Recipe
from palo.recipes.own_data import OwnData, take_own_data, with_own_data
from palo.session import lasting_path, ray_session

_START = "--start-from"
_SHORTCUTS = {
    "--data FILE": "trains the finetune stage on conversations or captions of your own",
    "--images FOLDER": "their images, if they aren't beside the file",
    f"{_START} PATH": "a released projector or a finished stage in place of a pretrain stage",
}


def recipe_job(
    program: str, run: Callable[[Recipe], None], check: Callable[[Recipe], None] | None = None
) -> Callable[[list[str]], None]:
    """Returns a job that reads `RECIPE [--field value ...] [--dry-run]` and runs on Ray.

    The run folder is the job's own while it runs.

    `--data FILE --images FOLDER` trains the finetune stage on data of one's own; `--start-from
    PATH` starts it from the projector there, in place of a pretrain stage. Parts that libraries
    don't read are imported.

    Args:
        program: The script, as people call it.
        run: Runs the recipe. It imports heavy modules itself, so that a wrong command line is
            reported at once.
        check: Looks at what the run needs, before Ray is started; by default at the parts and
            sources of a training.
    """

    def main(arguments: list[str]) -> None:
        arguments, own = take_own_data(arguments)
        arguments, taken = take_values(arguments, [_START])
        recipes = RECIPES
        if _START in taken:
            start = storage.path_of(taken[_START])
            recipes = {name: partial(_started, make, start) for name, make in recipes.items()}
        if own is not None:
            recipes = {name: partial(_own, make, own) for name, make in recipes.items()}
        recipe, only_dry_run = parse_recipe(arguments, recipes, program, _SHORTCUTS)
        if only_dry_run:
            from palo.pipeline.dry_run import dry_run

            dry_run(recipe)
            return
        recipe = _lasting(recipe)
        (check or _check_training)(recipe)
        recipe = _imported(recipe)
        with storage.alone_in(recipe.output):
            print(f"run folder  {recipe.output}\nstarting Ray", flush=True)
            with ray_session():
                run(recipe)

    return main


def _lasting(recipe: Recipe) -> Recipe:
    """Has the run folder and the shared image stores lie where they last."""
    recipe = replace(recipe, output=lasting_path(recipe.output))
    stores = recipe.data.image_stores
    if stores is None or isinstance(stores, storage.S3Path):
        return recipe
    return replace(recipe, data=replace(recipe.data, image_stores=lasting_path(stores)))


def _check_training(recipe: Recipe) -> None:
    recipe.parts.require()
    from palo.pipeline.source_checks import check_sources
    from palo.train.tracking.tracker import require_trackers

    for stage in filter(None, (recipe.pretrain, recipe.finetune)):
        require_trackers(stage.metrics)
    check_sources(recipe)


def _imported(recipe: Recipe) -> Recipe:
    """Imports what isn't in a form that libraries read."""
    from palo.checkpoint.importing import open_parts, open_projector

    projector = recipe.projector
    return replace(
        recipe,
        parts=open_parts(recipe.parts),
        projector=open_projector(projector) if projector and projector.exists() else projector,
    )


def _started(make: Callable[[], Recipe], start: Path) -> Recipe:
    return replace(make(), pretrain=None, projector=start)


def _own(make: Callable[[], Recipe], own: OwnData) -> Recipe:
    return with_own_data(make(), own)
