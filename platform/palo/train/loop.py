"""The training loop: one page, for both stages, for one process or many."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from palo.errors import TrainingError
from palo.train.engine import TrainEngine
from palo.train.loss import token_losses
from palo.train.metrics import StepMetrics
from palo.train.schedule import learning_rate_scale

if TYPE_CHECKING:
    from palo.data.loader import StepBatch


@dataclass(frozen=True, kw_only=True, slots=True)
class Hooks:
    """What happens around the steps; called on every worker unless said otherwise.

    Attributes:
        on_step: Takes the metrics of each step.
        save: Writes a checkpoint after so many steps; all workers must call it together.
        look: Looks at the model after so many steps; all workers must call it together.
        stop_requested: Asked on every worker before each step's end; one yes stops them all.
    """

    on_step: Callable[[StepMetrics], None]
    save: Callable[[int], None]
    look: Callable[[int], None]
    stop_requested: Callable[[], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopSettings:
    """The loop's numbers.

    Attributes:
        num_steps: Steps of the whole stage.
        warmup_ratio: Share of the steps in which the learning rate rises.
        checkpoint_every: Steps between checkpoints; the last step always makes one.
        seed: Seed of dropout.
    """

    num_steps: int
    warmup_ratio: float
    checkpoint_every: int
    seed: int


def train(
    engine: TrainEngine, batches: Iterator["StepBatch"], settings: LoopSettings, hooks: Hooks
) -> bool:
    """Runs the steps that are left.

    Args:
        engine: Model and optimizer.
        batches: This worker's part of each step, from the first step to do.
        settings: The loop's numbers.
        hooks: Metrics, checkpoints and the wish to stop.

    Returns:
        True when all steps are done, False when it was stopped before, with a checkpoint.

    Raises:
        TrainingError: If the loss is not finite; the weights are then still those before the step.
    """
    while True:
        started = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - started
        torch.manual_seed(_step_seed(settings.seed, batch.step, engine.rank))
        loss, wait_s, stop = _forward_backward(engine, batch, waited, hooks.stop_requested())
        scale = learning_rate_scale(batch.step, settings.num_steps, settings.warmup_ratio)
        grad_norm = engine.step(scale)
        hooks.on_step(
            StepMetrics(
                step=batch.step,
                num_steps=settings.num_steps,
                loss=loss,
                grad_norm=grad_norm,
                lr_scale=scale,
                num_samples=batch.num_samples,
                num_tokens=batch.num_tokens,
                num_target_tokens=batch.num_target_tokens,
                step_s=time.perf_counter() - started,
                data_wait_s=wait_s,
                time=time.time(),
            )
        )
        done = batch.step + 1
        if done == settings.num_steps or stop or done % settings.checkpoint_every == 0:
            hooks.save(done)
        hooks.look(done)
        if done == settings.num_steps:
            return True
        if stop:
            return False


def _forward_backward(
    engine: TrainEngine, batch: "StepBatch", waited: float, stop: bool
) -> tuple[float, float, bool]:
    """Accumulates one step's gradients; returns what all workers together saw."""
    engine.module.train()
    loss_sum = torch.zeros((), dtype=torch.float64)
    for index, micro in enumerate(batch.micro_batches):
        on_device = micro.to(engine.device)
        part = token_losses(engine.module, on_device).sum()
        last = index + 1 == len(batch.micro_batches)
        engine.backward(part / batch.num_target_tokens, last=last)
        loss_sum += part.detach().double().cpu()
    local = torch.tensor([float(loss_sum), waited, float(stop)], dtype=torch.float64)
    total = engine.sum_over_workers(local).tolist()
    loss = total[0] / batch.num_target_tokens
    if not math.isfinite(loss):
        names = [name for micro in batch.micro_batches for name in micro.sample_ids]
        shown = ", ".join(names[:8])
        raise TrainingError(
            f"the loss is not finite at step {batch.step}",
            seen=f"{loss} on samples {shown}",
            fix="Lower the learning rate or look at these samples; the last checkpoint is sound.",
        )
    return loss, total[1] / engine.world_size, total[2] > 0


def _step_seed(seed: int, step: int, rank: int) -> int:
    """Mixes three numbers into one, so that any step can be repeated without a stored state."""
    return (seed * 1_000_003 + step) * 65_537 + rank
