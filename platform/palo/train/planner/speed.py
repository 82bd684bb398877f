"""Hours of a stage: operations over the card's rate, and a time that every sample costs besides.

A sample of n tokens through a model of P language weights, T of which learn:

    2 P n             forward
    2 P n             gradients of activations
    2 P n             forward again, with recomputation
    2 T n             gradients of weights
    2 n^2 Q a layer   causal attention forward, twice that backward (Q: width of the query heads)
    2 V (p + 1)       the tower of V weights on p patches, where pixels are stored

    seconds = operations / (rate * EFFICIENCY) + SAMPLE_S

Source of both constants: `fit` on the six times of the PALO paper (arXiv 2402.14818, section 4.1),
so they describe its code, with images decoded and run through the tower in each step. Ours does
that once, before; until a short run of one's own was measured this is a careful guess.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from palo.errors import DataError
from palo.train.metrics import read_metrics
from palo.train.planner.activations import recomputed_layers
from palo.train.planner.gpus import GpuKind
from palo.train.planner.shapes import ModelShapes, ParameterCounts
from palo.train.stages import StageConfig

EFFICIENCY = 0.367
"""Share of the card's dense bfloat16 rate that the operations of a sample run at."""

SAMPLE_S = 0.058
"""Seconds that a sample costs a GPU whatever its length."""

NODE = 8
"""GPUs of a node, as a plan assumes."""

_SKIPPED_STEPS = 3  # the first ones compile and warm up
# How much of a link's rate collective operations reach; a usual value for NCCL's ring.
_LINK_SHARE = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class Efficiency:
    """How fast a kind of GPU trains.

    Attributes:
        share: Share of its dense bfloat16 rate.
        sample_s: Seconds that a sample costs besides.
        source: Where both come from.
    """

    share: float
    sample_s: float
    source: str


PAPER = Efficiency(
    share=EFFICIENCY, sample_s=SAMPLE_S, source="fitted on the PALO paper's six times, of its code"
)


def sample_operations(
    shapes: ModelShapes,
    counts: ParameterCounts,
    stage: StageConfig,
    tokens: float,
    images: float,
    *,
    through_tower: bool,
) -> float:
    """Returns the operations of one sample, forward and backward.

    Args:
        shapes: Sizes of the model.
        counts: Its parameters.
        stage: The stage's settings.
        tokens: Its tokens, image tokens included.
        images: Its images.
        through_tower: Whether they run through the tower in each step.
    """
    forwards = 1 + recomputed_layers(shapes, stage) / shapes.layers
    weights = 2 * counts.language * (forwards + 1) + 2 * counts.trained_language
    attention = 2 * tokens * shapes.query_width * shapes.layers * (forwards + 2)
    pixels = 2 * counts.tower * (shapes.patches + 1) if through_tower else 0
    projector = 2 * counts.projector * shapes.patches * 3
    return tokens * (weights + attention) + images * (pixels + projector)


def fit(operations: Sequence[float], seconds: Sequence[float], rate: float) -> Efficiency:
    """Fits both constants by least squares of relative errors.

    Args:
        operations: Of a sample, for each run.
        seconds: That a GPU took for it, for each run.
        rate: Operations a second of the card.
    """
    # Columns x / y and 1 / y against 1: the normal equations of two unknowns.
    rows = [(o / rate / s, 1 / s) for o, s in zip(operations, seconds, strict=True)]
    xx = sum(a * a for a, _ in rows)
    xy = sum(a * b for a, b in rows)
    yy = sum(b * b for _, b in rows)
    x, y = sum(a for a, _ in rows), sum(b for _, b in rows)
    determinant = xx * yy - xy * xy
    slope, offset = (x * yy - y * xy) / determinant, (y * xx - x * xy) / determinant
    return Efficiency(share=1 / slope, sample_s=offset, source=f"a fit of {len(rows)} runs")


def measured_efficiency(
    metrics: Path,
    operations_of_a_token: float,
    num_gpus: int,
    rate: float,
) -> Efficiency:
    """Returns the efficiency of a short run: the median over its steps, its wait for data included.

    Args:
        metrics: Its metrics file.
        operations_of_a_token: Operations of a sample over its tokens.
        num_gpus: GPUs, or CPU workers, that it ran on.
        rate: Operations a second of one of them.

    Raises:
        DataError: If it has too few steps.
    """
    steps = read_metrics(metrics)[_SKIPPED_STEPS:]
    if not steps:
        raise DataError(
            "the measured run has too few steps",
            seen=f"{metrics}: at most {_SKIPPED_STEPS}",
            fix="Let it run for 20 steps or more: --finetune.max-steps 50.",
        )
    shares = sorted(
        one.num_tokens * operations_of_a_token / (one.step_s * num_gpus * rate) for one in steps
    )
    return Efficiency(
        share=shares[len(shares) // 2],
        sample_s=0.0,
        source=f"measured on {len(steps)} steps of {metrics.parent}",
    )


def gather_seconds(
    counts: ParameterCounts, stage: StageConfig, gpu: GpuKind, rows_a_step: float
) -> float:
    """Returns the seconds of a step in which ZeRO-3 gathers weights, if nothing hides them.

    Every row gathers all weights that are shared: forward, and backward with its recomputation.
    Between nodes each node receives what lies on the others, once for all its GPUs. With hpZ that
    is so only for weights that learn: those that don't are in the node since the first pass.

    Args:
        counts: Parameters of the model.
        stage: The stage's settings.
        gpu: The kind of GPU.
        rows_a_step: Rows that a worker computes in a step.
    """
    workers = stage.workers.count
    if stage.zero.level < 3 or workers == 1:
        return 0.0
    size = 2 if stage.dtype == "bfloat16" else 4
    shared = (counts.total - counts.whole) * size
    nodes = math.ceil(workers / NODE)
    here = min(workers, NODE)
    seconds = 2 * rows_a_step * shared * (here - 1) / here / (gpu.node_bytes * _LINK_SHARE)
    crosses, times = shared, 2 * rows_a_step
    if (stage.zero.hpz or 1) > 1:
        # The step makes the second copy of what learns invalid: the next pass crosses once.
        crosses, times = counts.trained * size, 1
    return seconds + times * crosses * (nodes - 1) / nodes / (gpu.network_bytes * _LINK_SHARE)
