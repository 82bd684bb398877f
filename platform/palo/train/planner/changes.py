"""What to change where a stage doesn't fit, and what a card's free memory could be used for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

from palo.train.planner.gpus import GPUS
from palo.train.planner.shapes import ModelShapes
from palo.train.planner.sharding import RECOMPUTE_EVERY
from palo.train.planner.stage_plan import PlanSettings, StagePlan, plan_counted
from palo.train.stages import StageConfig

_MOST_WORKERS = 64
# A sample that is longer gets a row of its own: smaller budgets would not be kept.
_SMALLEST_BUDGET = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Settings that make a stage fit, or quicker.

    Attributes:
        flags: What to add to the command line; empty where another card is needed.
        plan: The stage with them.
        gpu: Another kind of GPU that is needed; None for the same.
    """

    flags: tuple[str, ...]
    plan: StagePlan
    gpu: str | None = None


def find_fit(plan: StagePlan, shapes: ModelShapes, settings: PlanSettings) -> Change | None:
    """Finds the least that makes a stage fit its cards: one change, or several together.

    Args:
        plan: The stage's plan, which doesn't fit.
        shapes: Sizes of the model.
        settings: What is assumed of machines.

    Returns:
        The change; None where neither these nor another kind of GPU help.
    """
    moves = list(_moves(plan))
    together = [(flags, change) for flags, change in accumulate(moves, _joined)]
    for flags, change in (*moves, *together[1:]):
        tried = _tried(plan, shapes, change(plan.wanted), settings)
        if tried.fits:
            return Change(flags=flags, plan=tried)
    for kind in sorted(GPUS.values(), key=lambda one: (one.memory_gib, one.price or 1e9)):
        tried = _tried(plan, shapes, plan.wanted, replace(settings, gpu=kind))
        if tried.fits:
            return Change(flags=(), plan=tried, gpu=kind.name)
    return None


def find_quicker(plan: StagePlan, shapes: ModelShapes, settings: PlanSettings) -> Change | None:
    """Finds out whether a stage fits with less recomputation, or with whole weights on each worker.

    Args:
        plan: The stage's plan, which fits.
        shapes: Sizes of the model.
        settings: What is assumed of machines.

    Returns:
        The quickest change, of equal ones that with the longest rows; None if none saves time.
    """
    if not plan.fits or plan.hours is None:
        return None
    best, least = None, plan.hours
    for flags, stage in _quicker_ways(plan):
        tried = _tried(plan, shapes, stage, settings)
        if tried.fits and tried.hours is not None and tried.hours < least:
            best, least = Change(flags=flags, plan=tried), tried.hours
    return best


def _quicker_ways(plan: StagePlan) -> Iterator[tuple[tuple[str, ...], StageConfig]]:
    divided = plan.wanted.zero.stage == 3 and plan.wanted.workers.count > 1
    for flags, stage in (((), plan.wanted), *_with_less_recomputation(plan)):
        yield flags, stage
        if divided:
            more, whole = _with_whole_weights(plan.name, stage)
            yield (*flags, *more), whole


def _with_less_recomputation(plan: StagePlan) -> Iterator[tuple[tuple[str, ...], StageConfig]]:
    """No layers, or fewer, recomputed; perhaps in shorter rows."""
    if not plan.stage.activation_checkpointing:
        return
    budget = plan.wanted.token_budget
    while budget >= _SMALLEST_BUDGET:
        shorter = () if budget == plan.wanted.token_budget else (_budget_flag(plan, budget),)
        stage = replace(plan.wanted, token_budget=budget)
        none = replace(stage, activation_checkpointing=False)
        yield (f"--{plan.name}.no-activation-checkpointing", *shorter), none
        for every in RECOMPUTE_EVERY:
            if every > stage.recompute_every:
                flag = f"--{plan.name}.recompute-every {every}"
                yield (flag, *shorter), replace(stage, recompute_every=every)
        budget //= 2


def _with_whole_weights(name: str, stage: StageConfig) -> tuple[tuple[str, ...], StageConfig]:
    """ZeRO-2 gathers no weights, which between nodes can take longer than to compute with them."""
    flags = [f"--{name}.zero.stage 2"]
    changes: dict[str, bool] = {}
    for field in ("partition_at_load", "whole_blocks"):
        if getattr(stage.zero, field):
            flags.append(f"--{name}.zero.no-{field.replace('_', '-')}")
            changes[field] = False
    return tuple(flags), replace(stage, zero=replace(stage.zero, stage=2, **changes))


def _budget_flag(plan: StagePlan, budget: int) -> str:
    return f"--{plan.name}.token-budget {budget}"


_Move = tuple[tuple[str, ...], Callable[[StageConfig], StageConfig]]


def _moves(plan: StagePlan) -> Iterator[_Move]:
    """The single changes, from those that cost nothing to those that cost most."""
    stage, name = plan.wanted, plan.name
    if not stage.chunked_loss:
        yield (f"--{name}.chunked-loss",), lambda s: replace(s, chunked_loss=True)
    if stage.zero.stage in (1, 2) and stage.workers.count > 1:
        yield (
            (f"--{name}.zero.stage 3", f"--{name}.zero.partition-at-load"),
            lambda s: replace(s, zero=replace(s.zero, stage=3, partition_at_load=True)),
        )
    if not stage.activation_checkpointing:
        yield (
            (f"--{name}.activation-checkpointing",),
            lambda s: replace(s, activation_checkpointing=True),
        )
    budget = stage.token_budget // 2
    while budget >= _SMALLEST_BUDGET:
        yield (_budget_flag(plan, budget),), _with_budget(budget)
        budget //= 2
    workers = stage.workers.count * 2
    while stage.workers.use_gpu and workers <= _MOST_WORKERS:
        yield (f"--{name}.workers.count {workers}",), _with_workers(workers)
        workers *= 2
    if not stage.zero.offload:
        yield (
            (f"--{name}.zero.offload",),
            lambda s: replace(s, zero=replace(s.zero, offload=True)),
        )


def _with_budget(budget: int) -> Callable[[StageConfig], StageConfig]:
    return lambda stage: replace(stage, token_budget=budget)


def _with_workers(count: int) -> Callable[[StageConfig], StageConfig]:
    return lambda stage: replace(stage, workers=replace(stage.workers, count=count))


def _joined(one: _Move, other: _Move) -> _Move:
    """Both changes; of two values of one flag the later counts."""
    named = {flag.partition(" ")[0]: flag for flag in (*one[0], *other[0])}
    return tuple(named.values()), lambda stage: other[1](one[1](stage))


def _tried(
    plan: StagePlan, shapes: ModelShapes, stage: StageConfig, settings: PlanSettings
) -> StagePlan:
    """Plans the stage with other settings; the fullest row shrinks with the budget."""
    row = plan.facts.fullest_row.shortened(stage.token_budget, plan.wanted.token_budget)
    facts = replace(plan.facts, fullest_row=row)
    return plan_counted(plan.name, shapes, plan.counts, stage, facts, settings)
