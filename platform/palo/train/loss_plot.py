"""The training loss of one stage as an image."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from palo import storage
from palo.train.metrics import StepMetrics, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHARE_SMOOTHED = 0.05


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
    """Draws every step's loss thin, and their running mean thick.

    Args:
        axes: Where to draw.
        metrics: The steps.
        colour: Matplotlib's name of the lines' colour.
    """
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
    """Returns, for each place, the mean of the values around it: a twentieth of all of them."""
    reach = round(len(values) * _SHARE_SMOOTHED / 2)
    sums = [0.0, *accumulate(values)]
    means = []
    for place in range(len(values)):
        first, end = max(0, place - reach), min(len(values), place + reach + 1)
        means.append((sums[end] - sums[first]) / (end - first))
    return means
