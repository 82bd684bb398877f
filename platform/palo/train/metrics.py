"""Metrics of each step, as JSON lines that a continued run carries on without a gap or a double."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from palo import storage


@dataclass(frozen=True, kw_only=True, slots=True)
class StepMetrics:
    """What one optimizer step did, over all workers.

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


class MetricsLog:
    """Appends metrics to a file, one JSON object a line.

    Args:
        path: The file. Lines of steps from `start_step` on are removed: they are done again.
        start_step: Index of the first step to come.
    """

    def __init__(self, path: Path, start_step: int) -> None:
        kept = [m for m in read_metrics(path) if m.step < start_step]
        storage.write_text(path, "".join(_line(m) for m in kept))
        self._path = path

    def append(self, metrics: StepMetrics) -> None:
        """Adds one line and hands it to the operating system."""
        with (
            storage.wrap_os_errors("write", self._path),
            self._path.open("a", encoding="utf-8") as file,
        ):
            file.write(_line(metrics))


def read_metrics(path: Path) -> list[StepMetrics]:
    """Reads all whole lines; a last line that is still being written is left out."""
    return list(_whole_lines(path)) if path.exists() else []


def _whole_lines(path: Path) -> Iterator[StepMetrics]:
    for line in storage.read_text(path).splitlines(keepends=True):
        if line.endswith("\n"):
            yield StepMetrics(**json.loads(line))


def _line(metrics: StepMetrics) -> str:
    return json.dumps(asdict(metrics)) + "\n"


def eta_s(metrics: list[StepMetrics]) -> float:
    """Estimates the seconds to the end of the stage from the median of the latest 20 steps."""
    if not metrics:
        return math.nan
    recent = sorted(m.step_s for m in metrics[-20:])
    return recent[len(recent) // 2] * (metrics[-1].num_steps - metrics[-1].step - 1)
