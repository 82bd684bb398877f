"""Metrics of jobs for Prometheus: Ray exports on each node what the processes there count.

Prometheus reads them beside Ray's own, with `ray_` before the name. A process without Ray counts
nothing, and so does a private Ray, which has no exporter.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray.util.metrics import Counter, Gauge


@dataclass(frozen=True, kw_only=True, slots=True)
class JobMetric:
    """A metric of jobs.

    Attributes:
        name: Its name, in Prometheus's letters; a unit stands at its end.
        text: What it is.
        labels: Names of its labels, whose values are few.
        is_counter: Whether it only grows; otherwise its newest value counts.
    """

    name: str
    text: str
    labels: tuple[str, ...]
    is_counter: bool = False

    @property
    def series(self) -> str:
        """The name by which Prometheus knows it."""
        return f"ray_{self.name}_total" if self.is_counter else f"ray_{self.name}"

    def add(self, count: float, **labels: str) -> None:
        """Adds to a counter.

        Args:
            count: How much, above 0.
            labels: A value for each label.
        """
        if is_exported():
            _counter(self).inc(count, self._checked(labels))

    def set(self, value: float, **labels: str) -> None:
        """Sets a value, which Ray forgets after two of its reports (20 s): set it again.

        Args:
            value: The value.
            labels: A value for each label.
        """
        if is_exported():
            _gauge(self).set(value, self._checked(labels))

    def _checked(self, labels: Mapping[str, str]) -> dict[str, str]:
        if set(labels) != set(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {tuple(labels)}")
        return dict(labels)


WORK_UNITS = JobMetric(
    name="palo_work_units",
    text="Units of a job's step that are done, as rows, images, records",
    labels=("step", "unit"),
    is_counter=True,
)
"""What every `palo.progress.Meter` counts."""


def is_exported() -> bool:
    """Returns whether Ray runs in this process and takes metrics."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


@cache
def _counter(metric: JobMetric) -> "Counter":
    from ray.util.metrics import Counter

    return Counter(metric.name, metric.text, metric.labels)


@cache
def _gauge(metric: JobMetric) -> "Gauge":
    from ray.util.metrics import Gauge

    return Gauge(metric.name, metric.text, metric.labels)
