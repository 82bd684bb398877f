"""Says what a recipe's run would take, without doing anything.

    python jobs/plan_run.py 7b --gpu a100-40         steps, memory by part, disk, hours, money
    python jobs/plan_run.py 13b --gpus 64 --price 2  on 64 GPUs, at two dollars a GPU-hour
    python jobs/plan_run.py 7b --measured runs/7b    at the speed that a short run had

Every field of the recipe can be given as for training.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from palo import config, storage
from palo.command import override, run_job, take_values
from palo.pipeline.job import read_recipe
from palo.pipeline.machines import Machines
from palo.recipes import Recipe

_PROGRAM = "jobs/plan_run.py"
_FLAGS = {
    "--gpu KIND": "kind of GPU, such as a100-40, a100-80, h100",
    "--gpus NUMBER": "GPUs of both stages",
    "--price DOLLARS": "price of a GPU-hour in place of the list price",
    "--measured RUN": "a run of a few steps of this model, to take its speed",
    "--json FILE": "writes the plan as JSON in place of printing",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRun(Machines):
    """Says what a recipe's run would take.

    Attributes:
        gpus: GPUs, or workers without one, of both stages; None for the recipe's own numbers.
        json: File to write the plan to, in place of printing.
    """

    gpus: int | None = None
    json: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        yield from Machines.faults(self)
        if self.gpus is not None and self.gpus < 1:
            yield f"gpus is {self.gpus} but must be at least 1"


def main(arguments: list[str]) -> None:
    """Prints the plan of a recipe, or writes it to a file.

    Args:
        arguments: The command line.
    """
    names = [f"--{field.name.replace('_', '-')}" for field in fields(PlanRun)]
    left, taken = take_values(arguments, names)
    recipe, _ = read_recipe(left, _PROGRAM, _FLAGS)
    wanted = override(PlanRun(), [word for pair in taken.items() for word in pair], _PROGRAM)
    config.check(wanted)
    if wanted.gpus is not None:
        recipe = _on_workers(recipe, wanted.gpus)
    from palo.pipeline.dry_run import print_plans
    from palo.pipeline.plan import plan_adapters, plan_recipe
    from palo.train.planner.report import plan_values

    if wanted.json is None:
        print_plans(recipe, wanted)
        return
    if recipe.adapters:
        planned = plan_adapters(recipe, wanted)
        storage.write_json(wanted.json, {one.name: plan_values(one.plan) for one in planned})
    else:
        storage.write_json(wanted.json, plan_values(plan_recipe(recipe, wanted)))
    print(f"plan: {wanted.json}")


def _on_workers(recipe: Recipe, count: int) -> Recipe:
    finetune = recipe.finetune
    finetune = replace(finetune, workers=replace(finetune.workers, count=count))
    if recipe.pretrain is None:
        return replace(recipe, finetune=finetune)
    workers = replace(recipe.pretrain.workers, count=count)
    return replace(recipe, finetune=finetune, pretrain=replace(recipe.pretrain, workers=workers))


if __name__ == "__main__":
    run_job(main)
