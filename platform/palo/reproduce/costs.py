"""What the steps of a recipe would take, as far as it is known: the dry run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from palo.pipeline.machines import Machines
from palo.pipeline.plan import plan_recipe
from palo.recipes.recipe import Recipe
from palo.reproduce.record import ReproduceRecord, read_reproduction
from palo.reproduce.settings import STEPS, ReproduceSettings, StepName
from palo.reproduce.steps import ReproduceStep, planned
from palo.train.planner.gpus import list_prices
from palo.train.planner.run_plan import RunPlan
from palo.train.planner.stage_plan import StagePlan

_UNKNOWN, _LEFT_OUT = "not known", "left out"
_HEAD = ("step", "hours", "GPUs", "storage", "dollars", "from")
_BYTES_A_WEIGHT: Mapping[str, int] = MappingProxyType({"float32": 4, "bfloat16": 2, "float16": 2})


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCost:
    """What one step would take.

    Attributes:
        step: The step.
        hours: Hours; None if they aren't known.
        gpus: GPUs; 0 on CPUs.
        storage_bytes: What it leaves on the disk; None if that isn't known.
        money: US dollars; None if they aren't known. A machine of one's own has no price here.
        source: Where these come from, or why they aren't known.
    """

    step: StepName
    hours: float | None
    gpus: float = 0.0
    storage_bytes: float | None
    money: float | None
    source: str


def print_costs(recipe: Recipe, settings: ReproduceSettings) -> None:
    """Prints what the steps of a recipe would take, without doing anything.

    Args:
        recipe: The run.
        settings: What is set beside it.

    Raises:
        PaloError: What plans raise.
    """
    record = read_reproduction(recipe.output, recipe.scale, STEPS)
    _, steps = planned(recipe, settings, record.step("translate"))
    for missing in recipe.parts.missing():
        print(f"missing  {missing}")
    print("\n".join(cost_lines(step_costs(recipe, settings, steps, record))))


def step_costs(
    recipe: Recipe,
    settings: ReproduceSettings,
    steps: Iterable[ReproduceStep],
    record: ReproduceRecord,
) -> list[StepCost]:
    """Returns what each step would take.

    Args:
        recipe: The run.
        settings: What is set beside it.
        steps: Its steps.
        record: What became of them so far; a step that was done here says how long it took.

    Raises:
        PaloError: What plans raise.
    """
    plan = plan_recipe(recipe, Machines())
    by_stage = {one.name: one for one in plan.stages}
    return [_cost(step, recipe, settings, plan, by_stage, record) for step in steps]


def _cost(
    step: ReproduceStep,
    recipe: Recipe,
    settings: ReproduceSettings,
    plan: RunPlan,
    stages: Mapping[str, StagePlan],
    record: ReproduceRecord,
) -> StepCost:
    if step.left_out:
        source = f"{_LEFT_OUT}: {step.left_out}"
        return StepCost(step=step.name, hours=0.0, storage_bytes=0.0, money=0.0, source=source)
    if step.name in stages:
        found = _stage_cost(step.name, stages[step.name], plan)
    elif step.name == "corpus":
        found = _corpus_cost(plan)
    else:
        found = _other_cost(step.name, recipe, settings, plan)
    done = record.step(step.name)
    if found.hours is None and done.state == "done":
        hours = done.wall_s / 3600
        return replace(found, hours=hours, source="measured when this run did it")
    return found


def _stage_cost(name: StepName, stage: StagePlan, plan: RunPlan) -> StepCost:
    workers = stage.stage.workers
    gpus = workers.count if workers.use_gpu else 0
    why = "no speed of this machine: jobs/plan_run.py --measured RUN"
    return StepCost(
        step=name,
        hours=stage.hours,
        gpus=gpus,
        storage_bytes=_disk(plan, f"{name} checkpoints", f"{name} result"),
        money=_money(stage.hours, gpus, plan.price),
        source=why if stage.hours is None else f"the planner: speed {plan.speed_from}",
    )


def _corpus_cost(plan: RunPlan) -> StepCost:
    if plan.encode is None:
        source = "nobody has counted the images yet"
        return StepCost(step="corpus", hours=None, storage_bytes=None, money=None, source=source)
    samples = [f"{stage.name} samples" for stage in plan.stages]
    return StepCost(
        step="corpus",
        hours=plan.encode.hours,
        gpus=plan.encode.gpus,
        storage_bytes=plan.encode.store_bytes + _disk(plan, *samples),
        money=_money(plan.encode.hours, plan.encode.gpus, plan.price),
        source="the planner: encoding of the images, which takes the longest",
    )


def _disk(plan: RunPlan, *names: str) -> float:
    return sum(size for name, size in plan.disk().items() if name in names)


def _money(hours: float | None, gpus: float, price: float | None) -> float | None:
    if gpus == 0:
        return 0.0
    return None if hours is None or price is None else hours * gpus * price


def _other_cost(
    name: StepName, recipe: Recipe, settings: ReproduceSettings, plan: RunPlan
) -> StepCost:
    if name == "translate":
        return _translation_cost(settings)
    if name == "evaluate":
        workers = recipe.finetune.workers
        gpus = workers.count if workers.use_gpu else 0
        return StepCost(
            step=name,
            hours=None,
            gpus=gpus,
            storage_bytes=None,
            money=_money(None, gpus, plan.price),
            source="depends on the length of the answers",
        )
    if name == "export":
        dtype = settings.export.dtype or recipe.finetune.dtype
        weights = plan.stages[-1].counts.total
        return StepCost(
            step=name,
            hours=None,
            storage_bytes=float(weights * _BYTES_A_WEIGHT[dtype]),
            money=0.0,
            source=f"{weights:,} weights in {dtype}; the disk's speed decides",
        )
    own = settings.deploy.endpoint is None
    source = "an endpoint on this machine" if own else f"{settings.deploy.endpoint} serves"
    return StepCost(
        step=name, hours=None, storage_bytes=0.0, money=0.0, source=f"{source}; a few questions"
    )


def _translation_cost(settings: ReproduceSettings) -> StepCost:
    backend = settings.translate.translator.backend
    is_paid = backend == "endpoint"
    source = f"{backend}, on this machine's own cores"
    if is_paid:
        source = "the server's prices and speed: jobs/translate.py projects them as answers come"
    return StepCost(
        step="translate",
        hours=None,
        storage_bytes=None,
        money=None if is_paid else 0.0,
        source=source,
    )


def cost_lines(costs: Iterable[StepCost]) -> list[str]:
    """Returns a table of what steps would take, with the sum of what is known.

    Args:
        costs: The steps.
    """
    listed = list(costs)
    rows = [_HEAD, *(_cells(one) for one in listed)]
    rows.append(_sum(listed))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [row[column].rjust(widths[column]) for column in range(1, len(widths))]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    if any(one.money for one in listed):
        known = list_prices()
        lines.append(f"price: list price of {known.date}, {known.source}")
    return lines


def _cells(one: StepCost) -> tuple[str, ...]:
    if one.source.startswith(_LEFT_OUT):
        return (one.step, "", "", "", "", one.source)
    return (
        one.step,
        _UNKNOWN if one.hours is None else f"{one.hours:,.1f}",
        f"{one.gpus:g}",
        _UNKNOWN if one.storage_bytes is None else _size(one.storage_bytes),
        _UNKNOWN if one.money is None else f"{one.money:,.0f}",
        one.source,
    )


def _sum(costs: list[StepCost]) -> tuple[str, ...]:
    hours = sum(one.hours or 0.0 for one in costs)
    size = sum(one.storage_bytes or 0.0 for one in costs)
    money = sum(one.money or 0.0 for one in costs)
    unknown = [one.step for one in costs if one.hours is None or one.money is None]
    note = f"and what isn't known: {', '.join(unknown)}" if unknown else ""
    return ("known", f"{hours:,.1f}", "", _size(size), f"{money:,.0f}", note)


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:,.1f} MB"
