"""From a command line to the steps of a recipe."""

from collections.abc import Callable
from dataclasses import replace

from palo.command import parse_recipe
from palo.recipes import RECIPES, Recipe
from palo.session import lasting_path, ray_session


def recipe_job(program: str, run: Callable[[Recipe], None]) -> Callable[[list[str]], None]:
    """Returns a job that reads `RECIPE [--field value ...] [--dry-run]` and runs on Ray.

    Args:
        program: The script, as people call it.
        run: Runs the recipe. It imports heavy modules itself, so that a wrong command line is
            reported at once.
    """

    def main(arguments: list[str]) -> None:
        recipe, only_dry_run = parse_recipe(arguments, RECIPES, program)
        if only_dry_run:
            from palo.pipeline.dry_run import dry_run

            dry_run(recipe)
            return
        recipe = replace(recipe, output=lasting_path(recipe.output))
        print(f"run folder  {recipe.output}\nstarting Ray", flush=True)
        with ray_session():
            run(recipe)

    return main
