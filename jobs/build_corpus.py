"""Builds the corpora of a recipe: `python jobs/build_corpus.py RECIPE [--field value ...]`."""

from palo.command import run_job
from palo.pipeline.job import recipe_job
from palo.recipes import Recipe


def run(recipe: Recipe) -> None:
    """Draws the scenes, if the recipe has any, and builds the corpus of each stage."""
    from palo.pipeline import steps

    steps.draw_scenes(recipe)
    steps.build_corpora(recipe)


if __name__ == "__main__":
    run_job(recipe_job("jobs/build_corpus.py", run))
