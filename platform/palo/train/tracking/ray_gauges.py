"""A stage's figures as gauges of Ray, which Prometheus reads on the node of the first worker."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from palo.job_metrics import JobMetric
from palo.train.tracking.run_ids import run_name

if TYPE_CHECKING:
    from palo.train.stages import StageJob

_LABELS = ("run",)


def _gauge(name: str, text: str, *labels: str) -> JobMetric:
    return JobMetric(name=f"palo_train_{name}", text=text, labels=(*_LABELS, *labels))


STEP = _gauge("step", "Steps that are done")
LEARNING_RATE = _gauge("learning_rate", "Learning rate of a part that learns", "part")
LANGUAGE_LOSS = _gauge("validation_language_loss", "Loss on held-out rows in nats", "language")
VALUES: Mapping[str, JobMetric] = {
    "train/loss": _gauge("loss", "Mean loss of the step's label tokens in nats"),
    "train/gradient_norm": _gauge("gradient_norm", "L2 norm of the gradients before clipping"),
    "speed/tokens_per_s": _gauge("tokens_per_second", "Tokens a second, of all workers"),
    "speed/samples_per_s": _gauge("samples_per_second", "Samples a second, of all workers"),
    "speed/step_s": _gauge("step_seconds", "Duration of the step"),
    "speed/data_wait_share": _gauge("data_wait_ratio", "Share of the step spent waiting for data"),
    "speed/model_tflops": _gauge("model_tflops", "Operations of the model, in 10^12 a second"),
    "speed/mfu": _gauge("mfu_ratio", "Utilisation of the devices' peak rate"),
    "memory/gib": _gauge("memory_gib", "Memory of the worker that holds most"),
    "memory/peak_gib": _gauge("memory_peak_gib", "Most that a worker has held"),
    "validation/loss": _gauge("validation_loss", "Loss on held-out rows in nats"),
    "validation/mean_of_languages": _gauge(
        "validation_mean_loss", "Mean over languages of the loss on held-out rows"
    ),
}
"""The gauge of each value that trackers get, except learning rates and single languages."""
_PARTS = "learning_rate/"
_LANGUAGES = "validation/"


class RayGauges:
    """A TrackerRun that sets Ray's gauges.

    Args:
        job: The stage, whose run is the label of all of them.
    """

    def __init__(self, job: "StageJob") -> None:
        self._run = run_name(job)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See TrackerRun.log.

        Args:
            values: By name.
            step: Steps that are done.
        """
        STEP.set(step, run=self._run)
        for name, value in values.items():
            if name in VALUES:
                VALUES[name].set(value, run=self._run)
            elif name.startswith(_PARTS):
                LEARNING_RATE.set(value, run=self._run, part=name.removeprefix(_PARTS))
            elif name.startswith(_LANGUAGES):
                LANGUAGE_LOSS.set(value, run=self._run, language=name.removeprefix(_LANGUAGES))
            else:
                raise ValueError(f"no gauge is declared for {name}")

    def close(self) -> None:
        """See TrackerRun.close; the gauges end with their process."""
