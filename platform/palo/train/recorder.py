"""What the first worker writes while a stage is trained: metrics, validation, facts, trackers."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from palo import config, storage
from palo.machine import versions
from palo.train.metrics import MetricsLog, StepMetrics
from palo.train.model_flops import CONVENTION, ModelFlops
from palo.train.peak_rates import peak_flops
from palo.train.rank_figures import RankFigures, RankWatch
from palo.train.stage_files import StageFiles
from palo.train.tracking.tracker import open_trackers
from palo.train.tracking.values import step_values, validation_values
from palo.train.validation import Validation, ValidationLog

if TYPE_CHECKING:
    import torch

    from palo.data.plan import Plan
    from palo.train.engine import TrainEngine
    from palo.train.run_store import RunStore
    from palo.train.stages import StageJob

_RANKS_EVERY_S = 10.0
_PACKAGES = ("palo", "torch", "transformers", "peft", "deepspeed", "ray")
_TERA = 1e12


class StageRecorder:
    """Completes each step's metrics and hands them on; the first worker has one.

    Args:
        store: Where the stage's outputs lie.
        engine: The worker's engine.
        plan: The plan of the steps.
        flops: What a token costs.
        start: Steps that are done.
        held_out: Held-out samples by language.
    """

    def __init__(
        self,
        store: "RunStore",
        engine: "TrainEngine",
        plan: "Plan",
        flops: ModelFlops,
        *,
        start: int,
        held_out: Mapping[str, int],
    ) -> None:
        self._store = store
        self._job = job = store.job
        self._files = files = StageFiles(store.folder)
        self._plan = plan
        self._flops = flops
        self._peak = _peak(job, engine.device)
        self._watch = RankWatch(computes_on_cpu=engine.device.type == "cpu")
        self._ranks_at = time.monotonic()
        self._log = MetricsLog(files.metrics, start)
        self._validations = ValidationLog(files.validations, start)
        facts = {
            "settings": config.to_dict(job),
            "num_workers": engine.world_size,
            "device": _device_name(engine.device),
            "peak_tflops": None if self._peak is None else self._peak / _TERA,
            "convention": CONVENTION,
            "flops": asdict(flops),
            "num_samples": plan.num_samples,
            "held_out": dict(held_out),
            "versions": versions(_PACKAGES),
            "started": time.time(),
        }
        storage.write_json(files.facts, facts)
        store.grown(files.facts)
        self._trackers = open_trackers(job, files, facts, start, self._say)

    def step(self, metrics: StepMetrics, ranks: list[RankFigures]) -> None:
        """Takes a step.

        Args:
            metrics: What the loop knows of it.
            ranks: What each worker did in it, by rank.
        """
        self._watch.add(metrics.step_s, ranks)
        complete = self._completed(metrics, ranks)
        self._log.append(complete)
        self._store.grown(self._files.metrics)
        for tracker in self._trackers:
            tracker.log(step_values(complete), complete.step + 1)
        if time.monotonic() - self._ranks_at >= _RANKS_EVERY_S:
            self._write_ranks()

    def _completed(self, metrics: StepMetrics, ranks: list[RankFigures]) -> StepMetrics:
        stage, optimizer = self._job.config, self._job.config.optimizer
        rates = {"projector": optimizer.lr_projector} if stage.train_projector else {}
        if stage.trains != "projector":
            rates["language_model"] = optimizer.lr_language_model
        lengths = [self._plan.length(index) for index in self._plan.step(metrics.step)]
        flops = self._flops.of_step(
            num_tokens=metrics.num_tokens,
            num_target_tokens=metrics.num_target_tokens,
            squared_lengths=float(sum(length**2 for length in lengths)),
        )
        slow = self._watch.slow()
        seconds = metrics.step_s * len(ranks)
        return replace(
            metrics,
            learning_rates={part: rate * metrics.lr_scale for part, rate in rates.items()},
            num_workers=len(ranks),
            max_data_wait_s=max(one.data_wait_s for one in ranks),
            slow_rank=slow.rank if slow else None,
            slow_cause=slow.cause if slow else None,
            memory_bytes=int(max(one.memory_bytes for one in ranks)),
            peak_memory_bytes=int(max(one.peak_memory_bytes for one in ranks)),
            model_flops=flops,
            mfu=flops / (seconds * self._peak) if self._peak else None,
        )

    def validated(self, validation: Validation) -> None:
        """Takes the loss on held-out rows.

        Args:
            validation: The evaluation.
        """
        self._validations.append(validation)
        self._store.grown(self._files.validations)
        for tracker in self._trackers:
            tracker.log(validation_values(validation), validation.step)

    def close(self) -> None:
        """Writes what is still to be written, and ends the trackers."""
        for tracker in self._trackers:
            tracker.close()
        self._write_ranks()

    def _say(self, line: str) -> None:
        self._store.note("tracker", line)

    def _write_ranks(self) -> None:
        self._ranks_at = time.monotonic()
        ranks = [asdict(one) for one in self._watch.summaries()]
        storage.write_json(self._files.ranks, {"time": time.time(), "ranks": ranks})
        beside = [self._files.trackers] if self._files.trackers.exists() else []
        for path in (self._files.ranks, *beside, *self._files.tensorboard.iterdir()):
            self._store.grown(path)


def _peak(job: "StageJob", device: "torch.device") -> float | None:
    """Returns the peak rate of a worker's device in operations a second, if it is known."""
    stated = job.config.metrics.peak_tflops
    if stated is not None:
        return stated * _TERA
    return peak_flops(_device_name(device)) if device.type == "cuda" else None


def _device_name(device: "torch.device") -> str:
    if device.type != "cuda":
        return "cpu"
    import torch

    return torch.cuda.get_device_name(device)
