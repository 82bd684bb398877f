"""The training loop with its loss and learning rate, for both stages, one process or many."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from palo.train.activity import Phase
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
    logits = _forward(model, batch).logits
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
    loss: torch.Tensor = _forward(model, batch, targets=batch.targets).loss
    return loss


def _forward(model: Any, batch: "Batch", **more: torch.Tensor) -> Any:  # noqa: ANN401
    return model(
        input_ids=batch.input_ids,
        features=batch.features,
        pixels=batch.pixels,
        position_ids=batch.position_ids,
        cu_seq_lens_q=batch.cu_seq_lens,
        logits_to_keep=batch.label_positions,
        use_cache=False,
        **more,
    )


def row_loss(model: Any, batch: "Batch", *, chunked: bool) -> torch.Tensor:  # noqa: ANN401
    """Returns the sum of the losses of one packed row.

    Args:
        model: A PaloForConditionalGeneration, bare or wrapped by PEFT and DeepSpeed.
        batch: One packed row.
        chunked: Whether the model's output head gives the loss.

    Returns:
        Nats, float ().
    """
    return summed_loss(model, batch) if chunked else token_losses(model, batch).sum()


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
        on_step: Takes the metrics of each step that changed the weights, and what each worker did
            in it, by rank.
        on_skipped: Takes the same of each step that didn't, since its loss or the norm of its
            gradients was not finite, and the names of its samples.
        save: Writes a checkpoint after so many steps; all workers must call it together.
        evaluate: Evaluates the model after so many steps, if that is due; all workers must call it
            together.
        stop_requested: Asked on every worker before each step's end; one yes stops them all.
        save_requested: Asked on every worker before each step's end with the steps that will be
            done then; one yes has them all save.
        enter: Told what the worker does next, and with which step, from 1.
    """

    on_step: Callable[[StepMetrics, list[RankFigures]], None]
    on_skipped: Callable[[StepMetrics, list[RankFigures], Sequence[str]], None]
    save: Callable[[int], None]
    evaluate: Callable[[int], None]
    stop_requested: Callable[[], bool]
    save_requested: Callable[[int], bool]
    enter: Callable[[Phase, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopSettings:
    """The loop's numbers.

    Attributes:
        num_steps: Steps of the whole stage.
        warmup_ratio: Share of the steps in which the learning rate rises.
        seed: Seed of dropout.
        chunked_loss: Whether the model's output head gives the loss.
    """

    num_steps: int
    warmup_ratio: float
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
        TrainingError: If `Hooks.on_skipped` gives up.
    """
    gauge = RankGauge(engine)
    while True:
        started = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - started
        torch.manual_seed(_step_seed(settings.seed, batch.step, engine.rank))
        done = batch.step + 1
        hooks.enter("wishes", done)
        wishes = (hooks.stop_requested(), hooks.save_requested(done))
        loss_sum = _forward_backward(engine, batch, settings, hooks)
        hooks.enter("sums", done)
        sums = [loss_sum, *map(float, wishes)]
        (loss_sum, stops, saves), ranks = share(engine, sums, gauge.read(batch, waited))
        loss = loss_sum / batch.num_target_tokens
        scale = learning_rate_scale(batch.step, settings.num_steps, settings.warmup_ratio)
        hooks.enter("update", done)
        grad_norm = engine.step(scale) if math.isfinite(loss) else engine.discard()
        metrics = StepMetrics(
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
        )
        hooks.enter("records", done)
        if math.isfinite(loss) and math.isfinite(grad_norm):
            hooks.on_step(metrics, ranks)
        else:
            names = [name for micro in batch.micro_batches for name in micro.sample_ids]
            hooks.on_skipped(metrics, ranks, names)
        if stops:  # at once: whoever asks for it may not wait long
            hooks.save(done)
        hooks.evaluate(done)
        if not stops and (saves or done == settings.num_steps):
            hooks.save(done)  # with the loss on held-out rows that it is judged by
        if done == settings.num_steps:
            return True
        if stops:
            return False
        hooks.enter("data", done)


def _forward_backward(
    engine: TrainEngine, batch: "StepBatch", settings: LoopSettings, hooks: Hooks
) -> float:
    """Accumulates one step's gradients; returns the sum of this worker's losses."""
    engine.module.train()
    # On the device: reading a number from it after each row would hold up the next one.
    loss_sum = torch.zeros((), dtype=torch.float64, device=engine.device)
    for index, micro in enumerate(batch.micro_batches):
        hooks.enter("forward", batch.step + 1)
        on_device = micro.to(engine.device)
        part = row_loss(engine.module, on_device, chunked=settings.chunked_loss)
        hooks.enter("backward", batch.step + 1)
        last = index + 1 == len(batch.micro_batches)
        engine.backward(part / batch.num_target_tokens, last=last)
        loss_sum += part.detach().double()
    return float(loss_sum)


def _step_seed(seed: int, step: int, rank: int) -> int:
    """Mixes three numbers into one, so that any step can be repeated without a stored state."""
    return (seed * 1_000_003 + step) * 65_537 + rank
