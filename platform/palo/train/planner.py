"""The estimated cost of a stage without weights or data: parameters, memory, steps, operations.

Estimates, each with its formula; a dry run prints them.
"""

from dataclasses import dataclass

import torch

from palo.model import PaloConfig, PaloForConditionalGeneration
from palo.model.lora import attach_lora
from palo.train.engine import choose_trainable, trainable_parameters
from palo.train.stages import StageConfig

_GIB = 2**30
_A100_FLOPS = 312e12
_UTILISATION = 0.4
_TRAINED_BYTES = 4 + 4 + 4  # float32 master weight and two Adam moments


@dataclass(frozen=True, kw_only=True, slots=True)
class StageCost:
    """What a stage would cost.

    Attributes:
        num_parameters: All weights of the model.
        num_trained: Weights that learn.
        num_samples: Samples of one epoch; None if unknown.
        num_steps: Optimizer steps of the stage; None if unknown.
        state_gib: Weights, gradients and optimizer states that one worker holds, in GiB.
        activation_gib: Activations of one row of `token_budget` tokens, in GiB.
        hours_a100: Hours on this many A100 GPUs at 40 % of their peak; None without samples.
    """

    num_parameters: int
    num_trained: int
    num_samples: int | None
    num_steps: int | None
    state_gib: float
    activation_gib: float
    hours_a100: float | None


def estimate(
    model: PaloConfig,
    stage: StageConfig,
    num_samples: int | None,
    tokens_per_sample: float,
) -> StageCost:
    """Estimates the cost of a stage.

    Args:
        model: The model's configuration.
        stage: The stage's settings.
        num_samples: Samples of one epoch, if known.
        tokens_per_sample: Mean tokens of a sample, image tokens included.
    """
    with torch.device("meta"):
        skeleton = PaloForConditionalGeneration(model)
        wrapped = attach_lora(skeleton, stage.lora) if stage.lora else skeleton
    choose_trainable(wrapped, stage.trains)
    num_trained = sum(p.numel() for p in trainable_parameters(wrapped).values())
    num_parameters = sum(p.numel() for p in wrapped.parameters())
    num_language = sum(p.numel() for p in skeleton.language_model.parameters())
    num_steps = None
    if num_samples is not None:
        num_steps = -(-num_samples // stage.global_batch) * stage.epochs
        num_steps = min(num_steps, stage.max_steps or num_steps)
    return StageCost(
        num_parameters=num_parameters,
        num_trained=num_trained,
        num_samples=num_samples,
        num_steps=num_steps,
        state_gib=_state_bytes(num_parameters, num_trained, stage) / _GIB,
        activation_gib=_activation_bytes(model, stage) / _GIB,
        hours_a100=_hours(num_language, num_trained, num_steps, tokens_per_sample, stage),
    )


def _state_bytes(num_parameters: int, num_trained: int, stage: StageConfig) -> float:
    """Weights are shared at ZeRO stage 3, gradients from 2, optimizer states from 1 on."""
    size = 2 if stage.dtype == "bfloat16" else 4
    share = [1.0, 1.0, 1.0]
    for index in range(stage.zero.stage):
        share[2 - index] = 1 / stage.workers.count
    weights, gradients, optimizer = share
    return (
        num_parameters * size * weights
        + num_trained * size * gradients
        + num_trained * _TRAINED_BYTES * optimizer
    )


def _activation_bytes(model: PaloConfig, stage: StageConfig) -> float:
    """Values kept for the backward pass.

    With recomputation one vector of the hidden size per token and layer, and one layer in full;
    without it every layer in full: about 14 hidden-size and 3 intermediate-size vectors.
    """
    text = model.text_config
    size = 2 if stage.dtype == "bfloat16" else 4
    layer = 14 * text.hidden_size + 3 * text.intermediate_size
    if stage.activation_checkpointing:
        values = text.num_hidden_layers * text.hidden_size + layer
    else:
        values = text.num_hidden_layers * layer
    return float(stage.token_budget * values * size)


def _hours(
    num_language: int,
    num_trained: int,
    num_steps: int | None,
    tokens_per_sample: float,
    stage: StageConfig,
) -> float | None:
    """2 operations per weight and token forward, 2 for activations' and 2 for weights' gradients.

    Frozen weights need no gradient of their own; recomputation adds a second forward pass. The
    tower is left out: its features are computed once, when the corpus is built.
    """
    if num_steps is None:
        return None
    forward = 2 * num_language
    passes = 3 if stage.activation_checkpointing else 2
    per_token = forward * passes + 2 * num_trained
    tokens = num_steps * stage.global_batch * tokens_per_sample
    return per_token * tokens / (_A100_FLOPS * _UTILISATION * stage.workers.count) / 3600


def cost_lines(cost: StageCost, stage: StageConfig) -> list[str]:
    """Writes an estimate for people.

    Args:
        cost: The estimate.
        stage: The stage's settings.
    """
    steps = "unknown until the corpus is built"
    if cost.num_steps is not None and cost.num_samples is not None:
        steps = f"{cost.num_steps:,} of {stage.global_batch} samples ({cost.num_samples:,} samples)"
    lines = [
        f"parameters      {cost.num_parameters:,}, of which {cost.num_trained:,} learn",
        f"steps           {steps}",
        f"memory          {cost.state_gib:,.2f} GiB of weights and optimizer states a worker "
        f"(ZeRO-{stage.zero.stage}, {stage.workers.count} workers), and about "
        f"{cost.activation_gib:,.2f} GiB of activations",
    ]
    if cost.hours_a100 is not None and stage.workers.use_gpu:
        lines.append(
            f"time            about {cost.hours_a100:,.1f} h on {stage.workers.count} A100 "
            f"at {_UTILISATION:.0%} of their peak"
        )
    return lines
