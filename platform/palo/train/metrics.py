"""Metrics of each step, as JSON lines that a resumed run continues, and the plot of their loss."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from palo import storage
from palo.train.rank_figures import SlowCause

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARE_SMOOTHED = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class StepMetrics:
    """Metrics of one optimizer step, over all workers.

    Attributes:
        step: Index of the step, from 0.
        num_steps: Steps of the whole stage.
        loss: Mean cross-entropy in nats over the step's label tokens.
        grad_norm: Global L2 norm of the gradients before clipping.
        lr_scale: Share of the peak learning rates.
        num_samples: Samples in the step.
        num_tokens: Tokens that went through the model, image tokens included.
        num_target_tokens: Tokens that were predicted.
        step_s: Seconds from the step's start to its end, the wait for data included.
        data_wait_s: Seconds that a worker waited for data, on average.
        time: Unix time at the end of the step.
        learning_rates: Learning rate of each part that learns.
        num_workers: Workers that took part.
        max_data_wait_s: Seconds that the worker waited for data that waited longest.
        slow_rank: The worker that holds the others up in the latest steps; None if none does.
        slow_cause: What it is slow at: "data" or "compute"; None without one.
        memory_bytes: Most memory that a worker holds: allocated on a GPU, resident on a CPU.
        peak_memory_bytes: Most that a worker has held since it started.
        model_flops: Operations of the step, as `model_flops.py` counts them.
        mfu: These per second, as a share of the devices' peak; None where the peak is unknown.

    Files of earlier versions lack the fields from `learning_rates` on.
    """

    step: int
    num_steps: int
    loss: float
    grad_norm: float
    lr_scale: float
    num_samples: int
    num_tokens: int
    num_target_tokens: int
    step_s: float
    data_wait_s: float
    time: float
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    num_workers: int | None = None
    max_data_wait_s: float | None = None
    slow_rank: int | None = None
    slow_cause: SlowCause | None = None
    memory_bytes: int | None = None
    peak_memory_bytes: int | None = None
    model_flops: float | None = None
    mfu: float | None = None


class MetricsLog:
    """Appends metrics to a file, one JSON object a line.

    Args:
        path: The file. Lines of steps from `start_step` on are removed: they are done again.
        start_step: Index of the first step to come.
    """

    def __init__(self, path: Path, start_step: int) -> None:
        kept = [m for m in read_metrics(path) if m.step < start_step]
        storage.write_text(path, "".join(storage.json_line(asdict(m)) for m in kept))
        self._path = path

    def append(self, metrics: StepMetrics) -> None:
        """Appends one line and hands it to the operating system.

        Args:
            metrics: The step's metrics.

        Raises:
            StorageError: If it can't be written.
        """
        storage.append_line(self._path, asdict(metrics))


def read_metrics(path: Path) -> list[StepMetrics]:
    """Reads all whole lines; a last line that is still being written is skipped.

    Args:
        path: The file, which may not exist yet.
    """
    return [StepMetrics(**values) for values in storage.whole_lines(path)]


def eta_s(metrics: Sequence[StepMetrics]) -> float:
    """Estimates the seconds to the end of the stage from the median of the latest 20 steps.

    Args:
        metrics: The steps so far.

    Returns:
        Seconds; nan without any step.
    """
    if not metrics:
        return math.nan
    recent = sorted(m.step_s for m in metrics[-20:])
    return recent[len(recent) // 2] * (metrics[-1].num_steps - metrics[-1].step - 1)


def plot_loss(metrics: Path, title: str = "") -> Path:
    """Draws loss.png beside a stage's metrics file.

    Args:
        metrics: The file, with at least one whole line.
        title: What is above the curve.

    Returns:
        The image's path.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    draw_loss(axes, read_metrics(metrics), colour="tab:blue")
    axes.set_title(title)
    path = metrics.with_name("loss.png")
    with storage.replacing(path) as partial:
        figure.savefig(partial, format="png")
    return path


def draw_loss(axes: "Axes", metrics: Sequence[StepMetrics], *, colour: str) -> None:
    """Draws every step's loss thin, and their running mean thick; skipped steps are left out.

    Args:
        axes: Where to draw.
        metrics: The steps.
        colour: Matplotlib's name of the lines' colour.
    """
    metrics = [m for m in metrics if math.isfinite(m.loss)]
    steps = [m.step + 1 for m in metrics]
    losses = [m.loss for m in metrics]
    axes.plot(steps, losses, color=colour, linewidth=0.6, alpha=0.35)
    axes.plot(steps, running_mean(losses), color=colour, linewidth=1.8)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def running_mean(values: Sequence[float]) -> list[float]:
    """Returns, for each value, the mean of those around it: a twentieth of all.

    Args:
        values: The values.
    """
    reach = round(len(values) * _SHARE_SMOOTHED / 2)
    sums = [0.0, *accumulate(values)]
    means = []
    for place in range(len(values)):
        first, end = max(0, place - reach), min(len(values), place + reach + 1)
        means.append((sums[end] - sums[first]) / (end - first))
    return means
