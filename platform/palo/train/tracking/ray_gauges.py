"""A stage's figures as gauges of Ray, which Prometheus reads on the node of the first worker."""

import threading
from collections.abc import Mapping

from palo.job_metrics import JobMetric, is_exported

_AGAIN_S = 5.0
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
    """A TrackerRun that sets Ray's gauges, and sets them again: Ray forgets what is 20 s old.

    A step of a large model may take longer than that, and evaluations come seldom.

    Args:
        run: Name of the stage's run, the label of all of them.
        again_s: Seconds after which all are set again.
    """

    def __init__(self, run: str, again_s: float = _AGAIN_S) -> None:
        self._run = run
        self._again_s = again_s
        self._newest: dict[tuple[JobMetric, tuple[tuple[str, str], ...]], float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See TrackerRun.log.

        Args:
            values: By name.
            step: Steps that are done.
        """
        fresh = {self._gauge_of(name): value for name, value in values.items()}
        with self._lock:
            self._newest |= {(STEP, ()): step, **fresh}
        self._set_all()
        if self._thread is None and is_exported():
            self._thread = threading.Thread(target=self._set_again, name="palo-gauges", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """See TrackerRun.close; the gauges end soon after."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _gauge_of(self, name: str) -> tuple[JobMetric, tuple[tuple[str, str], ...]]:
        if name in VALUES:
            return VALUES[name], ()
        if name.startswith(_PARTS):
            return LEARNING_RATE, (("part", name.removeprefix(_PARTS)),)
        if name.startswith(_LANGUAGES):
            return LANGUAGE_LOSS, (("language", name.removeprefix(_LANGUAGES)),)
        raise ValueError(f"no gauge is declared for {name}")

    def _set_all(self) -> None:
        with self._lock:
            newest = list(self._newest.items())
        for (metric, labels), value in newest:
            metric.set(value, run=self._run, **dict(labels))

    def _set_again(self) -> None:
        while not self._closed.wait(self._again_s):
            self._set_all()
