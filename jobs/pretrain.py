"""Pretrains a recipe's projector: `python jobs/pretrain.py RECIPE [--field value ...]`."""

from palo.command import run_job
from palo.pipeline.job import recipe_job
from palo.recipes import Recipe


def run(recipe: Recipe) -> None:
    """Builds the corpora, if they are not there yet, and trains the projector on the captions."""
    from palo.pipeline import steps

    steps.draw_scenes(recipe)
    steps.build_corpora(recipe)
    steps.align(recipe)
    steps.pretrain(recipe)


if __name__ == "__main__":
    run_job(recipe_job("jobs/pretrain.py", run))
