"""The plan of one stage: steps, memory of a worker, hours, disk."""

import math
from dataclasses import dataclass

from palo.model.config import PaloConfig
from palo.train.model_flops import ModelFlops, operations_of_a_weight
from palo.train.planner.data_facts import DataFacts
from palo.train.planner.gpus import GpuKind
from palo.train.planner.memory import RowSize, WorkerMemory, worker_memory
from palo.train.planner.shapes import ModelShapes, ParameterCounts, count_parameters, shapes_of
from palo.train.planner.sharding import choose_sharding
from palo.train.planner.speed import NODE, Efficiency, gather_seconds, sample_operations
from palo.train.stages import StageConfig

_CHECKPOINT_BYTES = 12  # float32 weight and two moments, see palo.checkpoint.trainable
_RESULT_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanSettings:
    """What a plan assumes of machines.

    Attributes:
        gpu: The kind of GPU; None for workers without one.
        efficiency: How fast it trains; None if nothing says it.
        through_tower: Whether images run through the tower in each step, as pixels do.
    """

    gpu: GpuKind | None
    efficiency: Efficiency | None
    through_tower: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePlan:
    """What a stage would take.

    Attributes:
        name: pretrain or finetune.
        wanted: Its settings as they were given.
        stage: The same with the ZeRO stage, hpZ and row size that were chosen for them.
        chosen: Why these were chosen; empty where the settings left nothing open.
        facts: Its data.
        row: Its largest row.
        counts: Parameters of the model.
        num_steps: Optimizer steps; None if the number of samples is unknown.
        rows_a_step: Rows that a worker computes in a step.
        memory: Memory of a worker.
        fits: Whether that fits the card; None without a card.
        hours: Hours of the stage; None if its samples or the speed are unknown.
        compute_s: Seconds of a step's operations.
        gather_s: Seconds of a step in which weights are gathered, as far as nothing hides them.
        mfu: Model operations over the card's rate, by the convention of palo.train.model_flops;
            None without hours.
        checkpoint_bytes: Size of one checkpoint.
        result_bytes: Size of the finished stage.
    """

    name: str
    wanted: StageConfig
    stage: StageConfig
    chosen: str
    facts: DataFacts
    row: RowSize
    counts: ParameterCounts
    num_steps: int | None
    rows_a_step: int
    memory: WorkerMemory
    fits: bool | None
    hours: float | None
    compute_s: float | None
    gather_s: float
    mfu: float | None
    checkpoint_bytes: int
    result_bytes: int


def plan_stage(
    name: str, model: PaloConfig, stage: StageConfig, facts: DataFacts, settings: PlanSettings
) -> StagePlan:
    """Plans a stage.

    Args:
        name: pretrain or finetune.
        model: The model's configuration.
        stage: The stage's settings.
        facts: Its data.
        settings: What is assumed of machines.
    """
    shapes, counts = shapes_of(model), count_parameters(model, stage)
    return plan_counted(name, shapes, counts, stage, facts, settings)


def plan_counted(
    name: str,
    shapes: ModelShapes,
    counts: ParameterCounts,
    stage: StageConfig,
    facts: DataFacts,
    settings: PlanSettings,
) -> StagePlan:
    """Plans a stage of a model whose parameters are counted already.

    Args:
        name: pretrain or finetune.
        shapes: Sizes of the model.
        counts: Its parameters, in a stage that trains the same.
        stage: The stage's settings.
        facts: Its data.
        settings: What is assumed of machines.
    """
    wanted, gpu = stage, settings.gpu
    sharding = choose_sharding(
        shapes, counts, wanted, facts.fullest_row, gpu.memory_gib if gpu else None,
        workers_a_node=NODE,
    )  # fmt: skip
    stage, row = sharding.stage, sharding.row
    memory = worker_memory(shapes, counts, stage, row)
    num_steps = None
    if facts.num_samples is not None:
        num_steps = math.ceil(facts.num_samples / stage.global_batch) * stage.epochs
    if stage.max_steps is not None:
        num_steps = min(stage.max_steps, num_steps or stage.max_steps)
    tokens_a_worker = stage.global_batch * facts.tokens / stage.workers.count
    rows = max(1, math.ceil(tokens_a_worker / stage.token_budget))
    operations = sample_operations(
        shapes, counts, stage, facts.tokens, facts.image_share,
        through_tower=settings.through_tower,
    )  # fmt: skip
    compute = _compute_seconds(operations, stage, settings)
    gather = gather_seconds(counts, stage, gpu, rows) if gpu else 0.0
    hours = mfu = None
    if compute is not None and num_steps is not None:
        step = max(compute, gather)
        hours = num_steps * step / 3600
        mfu = _mfu(shapes, counts, stage, facts, settings, step)
    return StagePlan(
        name=name,
        wanted=wanted,
        stage=stage,
        chosen=sharding.reason,
        facts=facts,
        row=row,
        counts=counts,
        num_steps=num_steps,
        rows_a_step=rows,
        memory=memory,
        fits=memory.fits(gpu.memory_gib) if gpu else None,
        hours=hours,
        compute_s=compute,
        gather_s=gather,
        mfu=mfu,
        checkpoint_bytes=counts.trained * _CHECKPOINT_BYTES,
        result_bytes=counts.trained * _RESULT_BYTES,
    )


def _compute_seconds(operations: float, stage: StageConfig, settings: PlanSettings) -> float | None:
    """Seconds of a step; a worker without a GPU has a rate of 1, and its share says the rest."""
    speed = settings.efficiency
    if speed is None:
        return None
    rate = settings.gpu.bf16 if settings.gpu else 1.0
    sample = operations / (rate * speed.share) + speed.sample_s
    return stage.global_batch / stage.workers.count * sample


def _mfu(
    shapes: ModelShapes,
    counts: ParameterCounts,
    stage: StageConfig,
    facts: DataFacts,
    settings: PlanSettings,
    step: float,
) -> float | None:
    """What a training would show, but for the spread of lengths: all samples are the mean one."""
    if settings.gpu is None:
        return None
    operations = model_flops(shapes, counts, stage).of_step(
        num_tokens=round(stage.global_batch * facts.tokens),
        num_target_tokens=round(stage.global_batch * facts.targets),
        squared_lengths=stage.global_batch * facts.tokens**2,
    )
    return operations / (step * stage.workers.count * settings.gpu.bf16)


def model_flops(shapes: ModelShapes, counts: ParameterCounts, stage: StageConfig) -> ModelFlops:
    """Returns what a token costs, as a training counts it on the model itself.

    Args:
        shapes: Sizes of the model.
        counts: Its parameters.
        stage: The stage's settings.
    """
    return ModelFlops(
        num_decoder=counts.blocks,
        num_head=shapes.vocabulary * shapes.hidden,
        num_lora=counts.lora,
        factor=operations_of_a_weight(stage.trains),
        num_layers=shapes.layers,
        attention_width=shapes.query_width,
    )
