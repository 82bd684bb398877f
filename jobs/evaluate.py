"""Scores models on held-out data.

    python jobs/evaluate.py RECIPE [--field value ...]               a run, on its recipe's data
    python jobs/evaluate.py BENCH FOLDER --models NAME=SOURCE ...    any models, on a bench

A source is the folder of a run, a server (http://host:port/v1#model), or a file of answers. With
--judge.endpoint.url and --judge.endpoint.model, another model judges them. --require
"avg_low>=55 fidelity>=0.98" ends the job with an error where a model stays below.
"""

import sys

from palo import command, config
from palo.pipeline.job import recipe_job
from palo.recipes import RECIPES, Recipe
from palo.session import ray_session


def run(recipe: Recipe) -> None:
    """Prints the table, and writes report.json and report.png into the run folder."""
    from palo.pipeline import scoring

    scoring.evaluate(recipe)


def check(recipe: Recipe) -> None:
    """Looks for the finished model before Ray is started."""
    from palo.checkpoint.finished import describe_stage, require_parts
    from palo.pipeline.adapters import trained_adapters

    for one in trained_adapters(recipe) if recipe.adapters else [recipe]:
        require_parts(describe_stage(one.finetune_folder))


def main(arguments: list[str]) -> None:
    """Scores a recipe's run, or models on a bench if the first word is the name of one."""
    from palo.evaluate.benches.bench import bench_sources

    if arguments and arguments[0] in bench_sources():
        score_bench(arguments)
        return
    if not arguments or arguments[0] not in RECIPES:
        print(f"benches: {', '.join(bench_sources())}", file=sys.stderr)
    recipe_job("jobs/evaluate.py", run, check)(arguments)


def score_bench(arguments: list[str]) -> None:
    """Scores models on a bench; Ray is started only if a checkpoint answers."""
    from palo.pipeline.bench_config import command_line_default, without_unnamed_judge

    wanted = command.override(command_line_default(), arguments, "jobs/evaluate.py")
    wanted = without_unnamed_judge(wanted)
    config.check(wanted)
    from palo.pipeline.bench_scoring import score_on_bench

    score_on_bench(wanted, ray_session)


if __name__ == "__main__":
    command.run_job(main)
