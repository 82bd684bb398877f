"""The dry run of a recipe: its settings and its plan, printed without doing anything."""

import json

from palo.config import to_dict
from palo.model.backbones import backbone_of
from palo.pipeline.machines import Machines
from palo.pipeline.parallel_text import parallel_settings
from palo.pipeline.plan import model_config, plan_adapters, plan_recipe, stages_of
from palo.pipeline.source_checks import missing_sources
from palo.pipeline.steps import StageName, corpus_config
from palo.recipes.recipe import Recipe
from palo.train.planner.report import run_lines, stage_lines
from palo.train.planner.run_plan import RunPlan


def dry_run(recipe: Recipe) -> None:
    """Prints the resolved recipe and its plan.

    Args:
        recipe: The run.
    """
    print(json.dumps(to_dict(recipe), indent=2, ensure_ascii=False))
    for missing in recipe.parts.missing():
        print(f"missing         {missing}")
    print_plans(recipe, Machines())


def print_plans(recipe: Recipe, machines: Machines) -> None:
    """Prints a recipe's plan; of one with adapters the first one's, and a line for each other.

    Args:
        recipe: The run.
        machines: The machines.
    """
    if not recipe.adapters:
        print_plan(recipe, plan_recipe(recipe, machines))
        return
    planned = plan_adapters(recipe, machines)
    print_plan(planned[0].recipe, planned[0].plan)
    print("\nadapters")
    for one in planned:
        stage = one.plan.stages[-1]
        steps = "steps unknown" if stage.num_steps is None else f"{stage.num_steps:,} steps"
        hours = "" if stage.hours is None else f", {stage.hours:,.1f} h"
        print(f"{one.name:15} {steps}{hours}")
    gpu_hours = [one.plan.gpu_hours for one in planned if one.plan.gpu_hours is not None]
    if len(gpu_hours) == len(planned):
        price = planned[0].plan.price
        total = sum(gpu_hours)
        cost = "" if price is None else f", {total * price:,.0f} dollars"
        print(f"all of them     {total:,.0f} GPU-hours{cost}, pretrain and images included")


def print_plan(recipe: Recipe, run: RunPlan) -> None:
    """Prints a plan, stage by stage, with the sources of their data.

    Args:
        recipe: The run.
        run: Its plan.
    """
    for (name, _), stage in zip(stages_of(recipe), run.stages, strict=True):
        print(f"\n{name}")
        for line in stage_lines(stage, run):
            print(line)
        _print_sources(recipe, name)
    backbone = backbone_of(model_config(recipe).text_config)
    if backbone.lacks:
        lacks = ", ".join(backbone.lacks)
        print(f"\nlanguage model  {backbone.title}: no {lacks} (docs/backbones.md)")
    print("\nwhole run")
    for line in run_lines(run):
        print(line)


def _print_sources(recipe: Recipe, name: StageName) -> None:
    config = corpus_config(recipe, name)
    if name == "align":
        for text in parallel_settings(recipe).sources:
            places = [text.path] if text.path else text.files.values()
            print(f"source          {text.name}: {', '.join(map(str, places))}")
    else:
        for own in config.sources:
            print(f"source          {own.name}: {own.path}")
    for path in missing_sources(recipe, name):
        print(f"missing         {path}")
    for line in config.mixture.lines():
        print(f"mixture         {line}")
