"""Trains a PALO from source files to a report: `python jobs/finetune.py RECIPE [--field value]`.

Finished steps are not repeated: the same command resumes an interrupted run. `--adapters each`
trains an adapter for each language on one base and one projector.
"""

from palo.command import run_job
from palo.pipeline.job import recipe_job
from palo.recipes import Recipe


def run(recipe: Recipe) -> None:
    """Builds the corpora, trains both stages, and scores the model where there is held-out data."""
    from palo.pipeline import adapters, scoring, steps

    steps.draw_scenes(recipe)
    steps.build_corpora(recipe)
    steps.align(recipe)
    steps.pretrain(recipe)
    if recipe.adapters:
        adapters.finetune_adapters(recipe)
    else:
        steps.finetune(recipe)
    scoring.evaluate_if_possible(recipe)


if __name__ == "__main__":
    run_job(recipe_job("jobs/finetune.py", run))
