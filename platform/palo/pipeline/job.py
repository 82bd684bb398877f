"""From a command line to the steps of a recipe."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from palo import storage
from palo.command import parse_recipe
from palo.recipes import RECIPES, Recipe
from palo.recipes.own_data import OwnData, take_own_data, with_own_data
from palo.session import lasting_path, ray_session


def recipe_job(
    program: str, run: Callable[[Recipe], None], check: Callable[[Recipe], None] | None = None
) -> Callable[[list[str]], None]:
    """Returns a job that reads `RECIPE [--field value ...] [--dry-run]` and runs on Ray.

    The run folder is the job's own while it runs.

    `--data FILE --images FOLDER` trains the finetune stage on data of one's own.

    Args:
        program: The script, as people call it.
        run: Runs the recipe. It imports heavy modules itself, so that a wrong command line is
            reported at once.
        check: Looks at what the run needs, before Ray is started; by default at the parts and
            sources of a training.
    """

    def main(arguments: list[str]) -> None:
        arguments, own = take_own_data(arguments)
        recipes = RECIPES
        if own is not None:
            recipes = {name: partial(_own, make, own) for name, make in RECIPES.items()}
        recipe, only_dry_run = parse_recipe(arguments, recipes, program)
        if only_dry_run:
            from palo.pipeline.dry_run import dry_run

            dry_run(recipe)
            return
        recipe = replace(recipe, output=lasting_path(recipe.output))
        (check or _check_training)(recipe)
        with storage.alone_in(recipe.output):
            print(f"run folder  {recipe.output}\nstarting Ray", flush=True)
            with ray_session():
                run(recipe)

    return main


def _check_training(recipe: Recipe) -> None:
    recipe.parts.require()
    from palo.pipeline.source_checks import check_sources

    check_sources(recipe)


def _own(make: Callable[[], Recipe], own: OwnData) -> Recipe:
    return with_own_data(make(), own)
