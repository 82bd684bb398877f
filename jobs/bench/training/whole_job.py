"""The whole job against the bare loop: the same batches, in turn, on the same cores."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from training.bare_loop import run_bare_loops
from training.settings import TrainBench

from palo.benchmark import Figure, resampled, spread
from palo.session import ray_session
from palo.train.launch import run_stage
from palo.train.metrics import StepMetrics, read_metrics
from palo.train.stages import StageJob

_TARGET = 0.85


@dataclass(frozen=True, slots=True)
class _Step:
    """One step as both sides did it: seconds of the job, and of each process of the bare loop."""

    num_samples: int
    job_s: float
    wait_s: float
    bare_s: tuple[float, ...]


def measure_job(settings: TrainBench, job: StageJob) -> list[Figure]:
    """Runs both sides in turn and compares samples a second."""
    steps: list[_Step] = []
    start_ups = []
    with ray_session(num_cpus=settings.workers):
        for repeat in range(settings.repeats):
            run = replace(job, output=job.output / str(repeat))
            launched = time.time()
            run_stage(run)
            metrics = read_metrics(run.metrics)
            start_ups.append(metrics[0].time - metrics[0].step_s - launched)
            both = list(zip(_job_seconds(metrics), run_bare_loops(job), strict=True))
            steps += [
                _Step(m.num_samples, seconds, m.data_wait_s, bare)
                for m, (seconds, bare) in zip(metrics, both, strict=True)
            ][settings.warmup_steps :]
    return [*_figures(steps), spread("job_start_up_s", start_ups, "s")]


def _job_seconds(metrics: list[StepMetrics]) -> list[float]:
    """Returns the seconds from the end of each step to the end of the next: nothing is left out."""
    between = [after.time - before.time for before, after in pairwise(metrics)]
    return [metrics[0].step_s, *between]


def _job_rate(steps: Sequence[_Step]) -> float:
    return sum(s.num_samples for s in steps) / sum(s.job_s for s in steps)


def _bare_seconds(steps: Sequence[_Step]) -> float:
    # Its processes don't wait for one another: it is done when the last of them is.
    return max(map(sum, zip(*(s.bare_s for s in steps), strict=True)))


def _bare_rate(steps: Sequence[_Step]) -> float:
    return sum(s.num_samples for s in steps) / _bare_seconds(steps)


def _ratio(steps: Sequence[_Step]) -> float:
    return _job_rate(steps) / _bare_rate(steps)


def _uneven_share(steps: Sequence[_Step]) -> float:
    """Returns what waiting for one another at each step would add to the bare loop's time."""
    return sum(max(s.bare_s) for s in steps) / _bare_seconds(steps) - 1


def _wait_share(steps: Sequence[_Step]) -> float:
    return sum(s.wait_s for s in steps) / sum(s.job_s for s in steps)


def _figures(steps: Sequence[_Step]) -> list[Figure]:
    return [
        resampled("whole_job_ratio", _ratio, steps, "1", target=_TARGET, better="higher"),
        resampled("whole_job_samples_per_s", _job_rate, steps, "samples/s"),
        resampled("bare_loop_samples_per_s", _bare_rate, steps, "samples/s"),
        resampled("uneven_steps_share", _uneven_share, steps, "1"),
        resampled("data_wait_share", _wait_share, steps, "1"),
    ]
