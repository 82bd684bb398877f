"""Prometheus metrics of an ingress process, and of the replicas' engines.

Labels have few values by design: served models, languages of `palo.languages`, and error codes.
Text of a client never becomes a label.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from palo import languages
from palo.api_errors import APIErrorCode
from palo.inference.engine import EngineStats
from palo.inference.request import TokenUsage

_STATS_FRESH_S = 60.0
_ENGINE_LABELS = ("model", "replica")
_FINISHED, _FINISHED_LABELS = "palo_engine_finished", ("model", "replica", "reason")

_GAUGES: dict[str, tuple[str, Callable[[EngineStats], float]]] = {
    "palo_engine_waiting": ("Requests that wait for a slot", lambda stats: stats.num_waiting),
    "palo_engine_running": ("Running sequences", lambda stats: stats.num_running),
    "palo_engine_slots": ("Slots", lambda stats: stats.num_slots),
    "palo_engine_batch_size": ("Sequences of the last step", lambda stats: stats.batch_size),
    "palo_engine_cached_bytes": ("Used memory of the prefix cache", lambda s: s.cached_bytes),
}
_COUNTERS: dict[str, tuple[str, Callable[[EngineStats], float]]] = {
    "palo_engine_steps": ("Steps", lambda stats: stats.steps),
    "palo_engine_step_seconds": ("Duration of steps", lambda stats: stats.step_s),
    "palo_engine_prefill_tokens": ("Computed prompt tokens", lambda s: s.prefill_tokens),
    "palo_engine_cached_tokens": ("Cached prompt tokens", lambda stats: stats.cached_tokens),
    "palo_engine_decode_tokens": ("Generated tokens", lambda stats: stats.decode_tokens),
}
OK = "ok"
CANCELLED = "cancelled"
UNKNOWN = "unknown"
_CODES = frozenset(APIErrorCode) | {OK, CANCELLED}
_FIRST_TOKEN_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TOKEN_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
_REQUEST_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_QUEUE_S = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
_LABELS = ("model", "language")
_EXPOSITION_FRESH_S = 1.0


class Metrics:
    """Metrics of one ingress process.

    Args:
        models: Names of the served models, which may change.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, models: Collection[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._written: tuple[float, bytes] | None = None
        self._models = models
        self._registry = CollectorRegistry()
        self._engines = EngineMetrics()
        self._registry.register(self._engines)

        self._series: dict[str, tuple[str, ...]] = {"palo_open_requests": ()}

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            self._series |= {f"{name}_{part}": _LABELS for part in ("bucket", "count", "sum")}
            return Histogram(name, text, _LABELS, buckets=buckets, registry=self._registry)

        def counter(name: str, text: str, labels: tuple[str, ...] = _LABELS) -> Counter:
            self._series[f"{name}_total"] = labels
            return Counter(name, text, labels, registry=self._registry)

        self._requests = counter("palo_requests", "Finished requests, by code", (*_LABELS, "code"))
        self._open = Gauge("palo_open_requests", "Open requests", registry=self._registry)
        self._request_s = histogram("palo_request_seconds", "Duration of a request", _REQUEST_S)
        self._queue_s = histogram("palo_queue_seconds", "Time until a slot was free", _QUEUE_S)
        self._first_s = histogram(
            "palo_first_token_seconds", "Time until the first token", _FIRST_TOKEN_S
        )
        self._token_s = histogram(
            "palo_token_seconds", "Mean time of each token after the first", _TOKEN_S
        )
        self._prompt = counter("palo_prompt_tokens", "Tokens of prompts, images included")
        self._cached = counter("palo_cached_prompt_tokens", "Cached tokens of prompts")
        self._answer = counter("palo_answer_tokens", "Tokens of answers")
        self._images = counter("palo_images", "Images of requests")

    def start_request(self) -> None:
        """Counts a request as open."""
        self._open.inc()

    def end_request(
        self,
        *,
        model: str | None,
        language: str | None,
        code: str,
        total_s: float,
        num_images: int = 0,
    ) -> None:
        """Counts a request as finished.

        Args:
            model: Its model; None if it was rejected before.
            language: ISO 639-1 code of its question; None if it isn't known.
            code: `OK`, `CANCELLED` or an error code.
            total_s: Its duration in seconds.
            num_images: Number of its images.
        """
        labels = self._labels(model, language)
        self._open.dec()
        self._requests.labels(*labels, code if code in _CODES else UNKNOWN).inc()
        self._request_s.labels(*labels).observe(total_s)
        self._images.labels(*labels).inc(num_images)

    def add_completion(self, *, model: str | None, language: str | None, usage: TokenUsage) -> None:
        """Counts one answer of a request.

        Args:
            model: The model.
            language: ISO 639-1 code of the question; None if it isn't known.
            usage: Tokens and time of the answer.
        """
        labels = self._labels(model, language)
        self._queue_s.labels(*labels).observe(usage.queue_s)
        self._prompt.labels(*labels).inc(usage.prompt_tokens)
        self._cached.labels(*labels).inc(usage.cached_tokens)
        self._answer.labels(*labels).inc(usage.completion_tokens)
        if usage.first_token_s is None:
            return
        self._first_s.labels(*labels).observe(usage.first_token_s)
        if usage.completion_tokens > 1:
            rest_s = max(0.0, usage.total_s - usage.first_token_s)
            self._token_s.labels(*labels).observe(rest_s / (usage.completion_tokens - 1))

    def set_engine_stats(self, model: str, replica: str, stats: EngineStats) -> None:
        """Sets the newest statistics of a replica's engine.

        Args:
            model: Name of its deployment.
            replica: Id of the replica.
            stats: Statistics of its engine.
        """
        self._engines.update(model, replica, stats)

    def exposition(self) -> tuple[bytes, str]:
        """Returns Prometheus's exposition and its content type, updated once a second at most."""
        now = self._clock()
        if self._written is None or now - self._written[0] >= _EXPOSITION_FRESH_S:
            self._written = now, generate_latest(self._registry)
        return self._written[1], CONTENT_TYPE_LATEST

    def series(self) -> dict[str, tuple[str, ...]]:
        """Returns the labels of every possible series, by its name."""
        return self._series | self._engines.series()

    def _labels(self, model: str | None, language: str | None) -> tuple[str, str]:
        known = language is not None and languages.known(language)
        return (
            model if model is not None and model in self._models else UNKNOWN,
            language if language is not None and known else UNKNOWN,
        )


class EngineMetrics(Collector):
    """Collects the newest statistics of each replica's engine; silent replicas are dropped.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._newest: dict[tuple[str, str], _Report] = {}

    def update(self, model: str, replica: str, stats: EngineStats) -> None:
        """Sets the newest statistics of a replica.

        Args:
            model: Name of its deployment.
            replica: Id of the replica.
            stats: Statistics of its engine.
        """
        self._newest[model, replica] = _Report(stats=stats, received_s=self._clock())

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """See Collector."""
        oldest = self._clock() - _STATS_FRESH_S
        self._newest = {
            key: report for key, report in self._newest.items() if report.received_s >= oldest
        }
        for name, (text, value) in _GAUGES.items():
            yield self._filled(GaugeMetricFamily(name, text, labels=_ENGINE_LABELS), value)
        for name, (text, value) in _COUNTERS.items():
            yield self._filled(CounterMetricFamily(name, text, labels=_ENGINE_LABELS), value)
        finished = CounterMetricFamily(
            _FINISHED, "Finished sequences, by reason", labels=_FINISHED_LABELS
        )
        for key, report in self._newest.items():
            for reason, count in report.stats.num_finished.items():
                finished.add_metric((*key, reason), count)
        yield finished

    def series(self) -> dict[str, tuple[str, ...]]:
        """Returns the labels of every possible series, by its name."""
        counters = {f"{name}_total": _ENGINE_LABELS for name in _COUNTERS}
        return (
            dict.fromkeys(_GAUGES, _ENGINE_LABELS)
            | counters
            | {f"{_FINISHED}_total": _FINISHED_LABELS}
        )

    def _filled(
        self,
        family: GaugeMetricFamily | CounterMetricFamily,
        value: Callable[[EngineStats], float],
    ) -> GaugeMetricFamily | CounterMetricFamily:
        for key, report in self._newest.items():
            family.add_metric(key, value(report.stats))
        return family


@dataclass(frozen=True, kw_only=True, slots=True)
class _Report:
    stats: EngineStats
    received_s: float
