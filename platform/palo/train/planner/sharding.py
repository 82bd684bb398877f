"""What a stage takes that leaves it open (`zero.stage` auto): ZeRO stage, hpZ, recomputation, rows.

What costs least comes first, and the first that fits is taken:

    stage 1     gathers nothing and adds up gradients once a step
    stage 2     adds up gradients after every row
    stage 3     gathers all weights for every row, forward and backward

Each of them is tried without recomputation, then with every fourth layer recomputed and so on up to
all of them (where `activation_checkpointing` allows it); each of these with rows of `token_budget`
tokens, then with half as many and so on down to `SHORTEST_ROW`. A row of that size still keeps a
GPU's matrix products busy, so that another row in a step costs less than computing layers again,
a third of the time, or than gathering weights for it over slow links. Where stage 3 is needed on
several nodes, hpZ is tried first: weights that don't learn cross the network once, not for every
row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from palo.machine import GIB
from palo.train.planner.memory import USABLE_SHARE, RowSize, worker_memory
from palo.train.planner.shapes import ModelShapes, ParameterCounts
from palo.train.stages import StageConfig

SHORTEST_ROW = 4096
"""Fewest tokens that a row is shortened to."""

RECOMPUTE_EVERY = (4, 3, 2)
"""Choices of `recompute_every` between no layer and all of them."""

MARGIN = 1.1
"""Planned memory is taken so many times: it agrees with what small models allocate within 10 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharding:
    """How a stage shares its state and divides its rows.

    Attributes:
        stage: The stage with these settings.
        row: Its largest row.
        reason: Why, in a line; empty where the settings left nothing open.
    """

    stage: StageConfig
    row: RowSize
    reason: str


def choose_sharding(
    shapes: ModelShapes,
    counts: ParameterCounts,
    stage: StageConfig,
    row: RowSize,
    memory_gib: float | None,
    *,
    workers_a_node: int,
) -> Sharding:
    """Chooses what a stage leaves open.

    Args:
        shapes: Sizes of the model.
        counts: Its parameters.
        stage: The stage's settings; what they name is kept.
        row: Its largest row, in rows of its `token_budget`.
        memory_gib: Free memory of the smallest GPU in GiB; None for workers without one.
        workers_a_node: Workers of a node.
    """
    if stage.zero.stage != "auto":
        return Sharding(stage=stage, row=row, reason="")
    if memory_gib is None:
        alone = _sharded(stage, _most(stage), 1, stage.token_budget)
        return Sharding(stage=alone, row=row, reason="")
    usable = memory_gib * USABLE_SHARE
    refused = ""
    tried = None
    for one in _candidates(stage, workers_a_node):
        shorter = row.shortened(one.token_budget, stage.token_budget)
        peak = worker_memory(shapes, counts, one, shorter).peak / GIB
        what = _name(one)
        planned = f"{what}: {peak:.1f} of {usable:.1f} GiB planned"
        tried = Sharding(stage=one, row=shorter, reason=f"{planned}; {refused or _CHEAPEST}")
        if peak * MARGIN <= usable:
            return tried
        refused = f"{what}, would take {peak:.1f}"
    assert tried is not None
    return replace(tried, reason=f"{tried.reason}; nothing fits with a tenth to spare")


_CHEAPEST = "no weight has to be gathered"


def _candidates(stage: StageConfig, workers_a_node: int) -> Iterator[StageConfig]:
    nodes = -(-stage.workers.count // workers_a_node)
    for level in range(1, _most(stage) + 1):
        copies = [stage.zero.hpz or 1]
        if level < 3:
            copies = [1]
        elif stage.zero.hpz is None and nodes > 1 and workers_a_node > 1 and not stage.zero.offload:
            copies = [workers_a_node, 1]
        for hpz in copies:
            for recomputing in _recomputations(stage):
                budget = stage.token_budget
                while budget == stage.token_budget or budget >= SHORTEST_ROW:
                    yield _sharded(recomputing, level, hpz, budget)
                    budget //= 2


def _recomputations(stage: StageConfig) -> Iterator[StageConfig]:
    """The stage with less recomputation than it allows, the least first, and as it is."""
    if stage.activation_checkpointing:
        yield replace(stage, activation_checkpointing=False)
        for every in RECOMPUTE_EVERY:
            if every > stage.recompute_every:
                yield replace(stage, recompute_every=every)
    yield stage


def _most(stage: StageConfig) -> int:
    """The highest stage that the adapter and the base allow: both need whole weights."""
    needs_whole = stage.base_precision == "nf4" or (stage.lora is not None and stage.lora.dora)
    return 2 if needs_whole else 3


def _sharded(stage: StageConfig, level: int, hpz: int, budget: int) -> StageConfig:
    zero = replace(
        stage.zero,
        stage=level,  # type: ignore[arg-type]  # from 1 to 3
        hpz=hpz if level == 3 else None,
        partition_at_load=stage.zero.partition_at_load and level == 3,
        whole_blocks=stage.zero.whole_blocks and level == 3,
    )
    return replace(stage, zero=zero, token_budget=budget)


def _name(stage: StageConfig) -> str:
    hpz = stage.zero.hpz or 1
    over = f" with hpZ over {hpz} GPUs" if hpz > 1 else ""
    layers = "all layers" if stage.recompute_every == 1 else f"1 layer in {stage.recompute_every}"
    again = f"{layers} recomputed" if stage.activation_checkpointing else "none recomputed"
    return f"ZeRO-{stage.zero.level}{over}, {again}, rows of up to {stage.token_budget:,} tokens"
