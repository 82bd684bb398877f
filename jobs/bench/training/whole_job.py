"""The whole job against a bare loop, another ZeRO stage, and a single worker, in turn."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from training.bare_loop import run_bare_loops
from training.cpu_meter import CpuMeter
from training.settings import TrainBench

from palo.benchmark import Figure, resampled, spread
from palo.session import ray_session
from palo.train.launch import run_stage
from palo.train.metrics import read_metrics
from palo.train.stages import StageJob

_JOB_TARGET = 0.90
_ZERO_TARGET = 0.95
_WORKERS_TARGET = 0.90


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a side: its samples, and the seconds and CPU seconds that it took.

    Processes that don't wait for one another each have their own seconds.
    """

    num_samples: int
    seconds: tuple[float, ...]
    cpu_s: float
    wait_s: float = 0.0


_Pair = tuple[_Step, _Step]


def measure_job(settings: TrainBench, job: StageJob) -> list[Figure]:
    """Runs the job and the bare loop in turn and compares samples a second and CPU time."""
    pairs: list[_Pair] = []
    start_ups = []
    with _jobs(settings) as run:
        for repeat in range(settings.repeats):
            start_up, steps = run(job, f"job-{repeat}")
            start_ups.append(start_up)
            pairs += zip(steps, _bare(settings, job, steps), strict=True)
    return [
        resampled("whole_job_ratio", _ratio, pairs, "1", target=_JOB_TARGET, better="higher"),
        resampled("whole_job_cpu_ratio", _cpu_ratio, pairs, "1"),
        resampled("whole_job_samples_per_s", _of(0, _rate), pairs, "samples/s"),
        resampled("bare_loop_samples_per_s", _of(1, _rate), pairs, "samples/s"),
        resampled("whole_job_cpu_s_per_sample", _of(0, _cpu), pairs, "s"),
        resampled("bare_loop_cpu_s_per_sample", _of(1, _cpu), pairs, "s"),
        resampled("uneven_steps_share", _of(1, _uneven_share), pairs, "1"),
        resampled("data_wait_share", _of(0, _wait_share), pairs, "1"),
        spread("job_start_up_s", start_ups, "s"),
    ]


def measure_zero(settings: TrainBench, job: StageJob) -> list[Figure]:
    """Runs the job under its own stage of ZeRO, 3, and under stage 1 in turn."""
    pairs = list(_two_jobs(settings, "zero", job, _with_stage(job, 1)))
    return [
        resampled("zero3_to_zero1_ratio", _ratio, pairs, "1", target=_ZERO_TARGET, better="higher"),
        resampled("zero3_to_zero1_cpu_ratio", _cpu_ratio, pairs, "1"),
    ]


def measure_workers(settings: TrainBench, job: StageJob) -> list[Figure]:
    """Runs the job with all workers, and with one that has its share of each step's samples."""
    count = settings.workers
    alone = replace(
        job.config,
        workers=replace(job.config.workers, count=1),
        global_batch=job.config.global_batch // count,
        max_steps=settings.num_steps,
    )
    pairs = list(_two_jobs(settings, "workers", job, replace(job, config=alone)))

    def efficiency(pairs: Sequence[_Pair]) -> float:
        return _ratio(pairs) / count

    name = "worker_of_all_to_one_alone_ratio"
    return [
        resampled(name, efficiency, pairs, "1", target=_WORKERS_TARGET, better="higher"),
        resampled("worker_of_all_to_one_alone_cpu_ratio", _cpu_ratio, pairs, "1"),
    ]


_RunJob = Callable[[StageJob, str], tuple[float, list[_Step]]]


@contextmanager
def _jobs(settings: TrainBench) -> Iterator[_RunJob]:
    """Gives what runs a job under a name: seconds of its start, and the steps that count."""
    # As the bare loop: niceness would give way to whatever else runs here.
    with ray_session(num_cpus=settings.workers, niceness=0), CpuMeter() as meter:

        def run(job: StageJob, name: str) -> tuple[float, list[_Step]]:
            named = replace(job, output=job.output / name)
            launched = time.time()
            run_stage(named)
            metrics = read_metrics(named.metrics)
            began = metrics[0].time - metrics[0].step_s
            # From the end of each step to the end of the next: nothing is left out.
            ends = [began, *(one.time for one in metrics)]
            steps = [
                _Step(
                    num_samples=one.num_samples,
                    seconds=(end - begin,),
                    cpu_s=meter.between(begin, end),
                    wait_s=one.data_wait_s,
                )
                for one, (begin, end) in zip(metrics, pairwise(ends), strict=True)
            ]
            return began - launched, steps[settings.warmup_steps :]

        yield run


def _two_jobs(settings: TrainBench, name: str, job: StageJob, other: StageJob) -> Iterator[_Pair]:
    with _jobs(settings) as run:
        for repeat in range(settings.repeats):
            _, steps = run(job, f"{name}-{repeat}")
            _, others = run(other, f"{name}-other-{repeat}")
            yield from zip(steps, others, strict=True)


def _bare(settings: TrainBench, job: StageJob, like: Sequence[_Step]) -> list[_Step]:
    timed = run_bare_loops(job)[settings.warmup_steps :]
    return [
        _Step(
            num_samples=step.num_samples,
            seconds=tuple(one.seconds for one in processes),
            cpu_s=sum(one.cpu_s for one in processes),
        )
        for step, processes in zip(like, timed, strict=True)
    ]


def _with_stage(job: StageJob, stage: Literal[1, 2, 3]) -> StageJob:
    zero = replace(job.config.zero, stage=stage, whole_blocks=False, partition_at_load=False)
    return replace(job, config=replace(job.config, zero=zero))


def _of(side: int, measure: Callable[[list[_Step]], float]) -> Callable[[Sequence[_Pair]], float]:
    return lambda pairs: measure([pair[side] for pair in pairs])


def _samples(steps: Sequence[_Step]) -> int:
    return sum(step.num_samples for step in steps)


def _seconds(steps: Sequence[_Step]) -> float:
    # Processes that don't wait for one another are done when the last of them is.
    return max(map(sum, zip(*(step.seconds for step in steps), strict=True)))


def _rate(steps: Sequence[_Step]) -> float:
    return _samples(steps) / _seconds(steps)


def _cpu(steps: Sequence[_Step]) -> float:
    return sum(step.cpu_s for step in steps) / _samples(steps)


def _ratio(pairs: Sequence[_Pair]) -> float:
    return _of(0, _rate)(pairs) / _of(1, _rate)(pairs)


def _cpu_ratio(pairs: Sequence[_Pair]) -> float:
    return _of(1, _cpu)(pairs) / _of(0, _cpu)(pairs)


def _uneven_share(steps: Sequence[_Step]) -> float:
    """Returns what waiting for one another at each step would add to the bare loop's time."""
    return sum(max(step.seconds) for step in steps) / _seconds(steps) - 1


def _wait_share(steps: Sequence[_Step]) -> float:
    return sum(step.wait_s for step in steps) / _seconds(steps)
