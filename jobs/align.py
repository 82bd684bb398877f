"""Aligns a language model on parallel text: `python jobs/align.py RECIPE [--parallel FILE]`.

The image stages of the same recipe, or of another one with `--aligned`, start from the result.
"""

from palo.command import run_job
from palo.pipeline.job import recipe_job
from palo.recipes import Recipe


def run(recipe: Recipe) -> None:
    """Builds the corpora, if they are not there yet, and trains the align stage."""
    from palo.pipeline import steps

    steps.draw_scenes(recipe)
    steps.build_corpora(recipe)
    steps.align(recipe)


if __name__ == "__main__":
    run_job(recipe_job("jobs/align.py", run))
