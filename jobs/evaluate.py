"""Scores a finished run on held-out data: `python jobs/evaluate.py RECIPE [--field value ...]`."""

from palo.command import run_job
from palo.pipeline.job import recipe_job
from palo.recipes import Recipe


def run(recipe: Recipe) -> None:
    """Prints the table, and writes report.json and report.png into the run folder."""
    from palo.pipeline import scoring

    scoring.evaluate(recipe)


if __name__ == "__main__":
    run_job(recipe_job("jobs/evaluate.py", run))
