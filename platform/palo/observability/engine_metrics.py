"""What the replicas' engines counted, as metrics: the newest word of each, while it is fresh."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from palo.inference.stats import EngineStats

_FRESH_S = 60.0
_LABELS = ("model", "replica")
_FINISHED, _FINISHED_LABELS = "palo_engine_finished", ("model", "replica", "reason")

_GAUGES: dict[str, tuple[str, Callable[[EngineStats], float]]] = {
    "palo_engine_waiting": ("Requests without a slot", lambda stats: stats.num_waiting),
    "palo_engine_running": ("Requests with a slot", lambda stats: stats.num_running),
    "palo_engine_slots": ("Slots there are", lambda stats: stats.num_slots),
    "palo_engine_batch_size": ("Answers of the last step", lambda stats: stats.batch_size),
    "palo_engine_cached_bytes": ("Memory of kept blocks", lambda stats: stats.cached_bytes),
}
_COUNTERS: dict[str, tuple[str, Callable[[EngineStats], float]]] = {
    "palo_engine_steps": ("Steps", lambda stats: stats.steps),
    "palo_engine_step_seconds": ("Time of steps", lambda stats: stats.step_s),
    "palo_engine_prefill_tokens": ("Places of prompts computed", lambda s: s.prefill_tokens),
    "palo_engine_cached_tokens": ("Places of prompts known", lambda stats: stats.cached_tokens),
    "palo_engine_decode_tokens": ("Tokens generated", lambda stats: stats.decode_tokens),
}


class EngineMetrics(Collector):
    """Tells Prometheus what engines counted; a replica that says no more is left out.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._newest: dict[tuple[str, str], _Word] = {}

    def keep(self, model: str, replica: str, stats: EngineStats) -> None:
        """Keeps the newest counts of a replica."""
        self._newest[model, replica] = _Word(stats=stats, said_s=self._clock())

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """See Collector."""
        oldest = self._clock() - _FRESH_S
        self._newest = {key: word for key, word in self._newest.items() if word.said_s >= oldest}
        for name, (text, value) in _GAUGES.items():
            yield self._filled(GaugeMetricFamily(name, text, labels=_LABELS), value)
        for name, (text, value) in _COUNTERS.items():
            yield self._filled(CounterMetricFamily(name, text, labels=_LABELS), value)
        finished = CounterMetricFamily(
            _FINISHED, "Answers that ended, by why", labels=_FINISHED_LABELS
        )
        for key, word in self._newest.items():
            for reason, count in word.stats.num_finished.items():
                finished.add_metric((*key, reason), count)
        yield finished

    def series(self) -> dict[str, tuple[str, ...]]:
        """Returns the labels of each series that there can be, by its name."""
        counters = {f"{name}_total": _LABELS for name in _COUNTERS}
        return dict.fromkeys(_GAUGES, _LABELS) | counters | {f"{_FINISHED}_total": _FINISHED_LABELS}

    def _filled(
        self,
        family: GaugeMetricFamily | CounterMetricFamily,
        value: Callable[[EngineStats], float],
    ) -> GaugeMetricFamily | CounterMetricFamily:
        for key, word in self._newest.items():
            family.add_metric(key, value(word.stats))
        return family


@dataclass(frozen=True, kw_only=True, slots=True)
class _Word:
    stats: EngineStats
    said_s: float
