"""The training loop with its loss and learning rate, for both stages, one process or many."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from palo.errors import TrainingError
from palo.train.engine import TrainEngine
from palo.train.metrics import StepMetrics
from palo.train.rank_figures import RankFigures, RankGauge, mean_wait_s, share

if TYPE_CHECKING:
    from palo.data.loader import Batch, StepBatch


def token_losses(model: Any, batch: "Batch") -> torch.Tensor:  # noqa: ANN401 - model or engine
    """Returns the cross-entropy of every target of one packed row.

    Logits are computed at label positions only: with a vocabulary of 32,000 the others would cost
    more memory than the rest of the model.

    Args:
        model: A PaloForConditionalGeneration, bare or wrapped by PEFT and DeepSpeed.
        batch: One packed row with K targets.

    Returns:
        Losses in nats, float32 (K,), in the order of `batch.targets`.
    """
    logits = model(
        input_ids=batch.input_ids,
        features=batch.features,
        pixels=batch.pixels,
        position_ids=batch.position_ids,
        cu_seq_lens_q=batch.cu_seq_lens,
        logits_to_keep=batch.label_positions,
        use_cache=False,
    ).logits
    return functional.cross_entropy(logits[0].float(), batch.targets, reduction="none")


def summed_loss(model: Any, batch: "Batch") -> torch.Tensor:  # noqa: ANN401 - model or engine
    """Returns the sum of `token_losses`, with a few rows of logits at a time.

    Args:
        model: A PaloForConditionalGeneration, bare or wrapped by PEFT and DeepSpeed, whose output
            head is a LossHead.
        batch: One packed row with K targets.

    Returns:
        Nats, float ().
    """
    loss: torch.Tensor = model(
        input_ids=batch.input_ids,
        features=batch.features,
        pixels=batch.pixels,
        position_ids=batch.position_ids,
        cu_seq_lens_q=batch.cu_seq_lens,
        logits_to_keep=batch.label_positions,
        targets=batch.targets,
        use_cache=False,
    ).loss
    return loss


def learning_rate_scale(step: int, num_steps: int, warmup_ratio: float) -> float:
    """Returns the share of the peak learning rate to use at a step.

    Linear warm-up over the first `ceil(warmup_ratio * num_steps)` steps, then half a cosine to
    zero: `0.5 * (1 + cos(pi * t))` with t from 0 to 1 (Loshchilov and Hutter, arXiv 1608.03983).
    The first step already learns: its scale is 1 / warm-up steps, not 0.

    Args:
        step: Index of the step, from 0.
        num_steps: Steps of the whole stage.
        warmup_ratio: Share of the steps that warm up.
    """
    num_warmup = math.ceil(warmup_ratio * num_steps)
    if step < num_warmup:
        return (step + 1) / num_warmup
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True, kw_only=True, slots=True)
class Hooks:
    """What happens around the steps; called on every worker unless said otherwise.

    Attributes:
        on_step: Takes the metrics of each step, and what each worker did in it, by rank.
        save: Writes a checkpoint after so many steps; all workers must call it together.
        evaluate: Evaluates the model after so many steps, if that is due; all workers must call it
            together.
        stop_requested: Asked on every worker before each step's end; one yes stops them all.
    """

    on_step: Callable[[StepMetrics, list[RankFigures]], None]
    save: Callable[[int], None]
    evaluate: Callable[[int], None]
    stop_requested: Callable[[], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopSettings:
    """The loop's numbers.

    Attributes:
        num_steps: Steps of the whole stage.
        warmup_ratio: Share of the steps in which the learning rate rises.
        checkpoint_every: Steps between checkpoints; the last step always makes one.
        seed: Seed of dropout.
        chunked_loss: Whether the model's output head gives the loss.
    """

    num_steps: int
    warmup_ratio: float
    checkpoint_every: int
    seed: int
    chunked_loss: bool = False


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
    gauge = RankGauge(engine)
    while True:
        started = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - started
        torch.manual_seed(_step_seed(settings.seed, batch.step, engine.rank))
        loss_sum = _forward_backward(engine, batch, chunked_loss=settings.chunked_loss)
        sums = [loss_sum, float(hooks.stop_requested())]
        (loss_sum, stops), ranks = share(engine, sums, gauge.read(batch, waited))
        loss = _finite(loss_sum / batch.num_target_tokens, batch)
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
                data_wait_s=mean_wait_s(ranks),
                time=time.time(),
            ),
            ranks,
        )
        done = batch.step + 1
        if done == settings.num_steps or stops or done % settings.checkpoint_every == 0:
            hooks.save(done)
        hooks.evaluate(done)
        if done == settings.num_steps:
            return True
        if stops:
            return False


def _forward_backward(engine: TrainEngine, batch: "StepBatch", *, chunked_loss: bool) -> float:
    """Accumulates one step's gradients; returns the sum of this worker's losses."""
    engine.module.train()
    # On the device: reading a number from it after each row would hold up the next one.
    loss_sum = torch.zeros((), dtype=torch.float64, device=engine.device)
    for index, micro in enumerate(batch.micro_batches):
        on_device = micro.to(engine.device)
        part = (
            summed_loss(engine.module, on_device)
            if chunked_loss
            else token_losses(engine.module, on_device).sum()
        )
        last = index + 1 == len(batch.micro_batches)
        engine.backward(part / batch.num_target_tokens, last=last)
        loss_sum += part.detach().double()
    return float(loss_sum)


def _finite(loss: float, batch: "StepBatch") -> float:
    """Returns a step's loss, or stops the stage if it is no number."""
    if math.isfinite(loss):
        return loss
    names = [name for micro in batch.micro_batches for name in micro.sample_ids]
    shown = ", ".join(names[:8])
    raise TrainingError(
        f"the loss is not finite at step {batch.step}",
        seen=f"{loss} on samples {shown}",
        fix="Lower the learning rate or look at these samples; the last checkpoint is sound.",
    )


def _step_seed(seed: int, step: int, rank: int) -> int:
    """Mixes three numbers into one, so that any step can be repeated without a stored state."""
    return (seed * 1_000_003 + step) * 65_537 + rank
