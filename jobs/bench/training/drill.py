"""The drill: one run that nothing happens to, and runs that are hurt, compared with it."""

import random
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from resuming import say
from training.drill_faults import HURTS, RESIZED, Hurt
from training.drill_settings import TrainDrill
from training.drilled_run import DrilledRun, Starter
from training.inputs import write_inputs
from training.moto_store import MotoStore
from training.settings import TrainBench

from palo import storage
from palo.benchmark import Figure, spread
from palo.checkpoint import trainable
from palo.checkpoint.finished import is_finished
from palo.session import keep_ray_private
from palo.train.metrics import read_metrics
from palo.train.stages import StageJob

_WITHIN = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """What became of a run that was hurt.

    Attributes:
        fault: What was done to it.
        difference: Largest difference of a step's loss to the undisturbed run.
        num_lost: Steps of the undisturbed run that are not there, or there twice.
        is_equal: Whether losses and final weights are equal as they must be.
        wall_s: Seconds until it was finished.
        problem: Why it wasn't, or what the command didn't say; empty if all went well.
    """

    fault: str
    difference: float
    num_lost: int
    is_equal: bool
    wall_s: float
    problem: str


def measure_drill(settings: TrainDrill) -> list[Figure]:
    """Hurts one run after the other.

    Args:
        settings: The drill's settings.
    """
    keep_ray_private()
    generator = random.Random(settings.seed)  # noqa: S311 - moments of a drill
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="palo-drill-") as name, MotoStore() as store:
        folder = Path(name)
        job = _job(settings, folder)
        undisturbed = replace(job, output=folder / "undisturbed")
        started = time.monotonic()
        DrilledRun(undisturbed, folder / "undisturbed-log", {}, settings.timeout_s).end(0)
        say(f"undisturbed: {time.monotonic() - started:.0f} s")
        for fault, place in settings.faults_and_stores():
            for number in range(settings.repeats):
                own = folder / f"{fault}-{place}-{number}"
                in_store = store.bucket / own.name / "run"
                hurt = Hurt(
                    job=replace(job, output=in_store if place == "s3" else own / "run"),
                    step=generator.randint(
                        settings.checkpoint_every + 1, settings.steps - settings.checkpoint_every
                    ),
                    start=Starter(own, settings.timeout_s),
                    store=store if place == "s3" else None,
                    folder=storage.ensure_folder(own),
                    away_s=settings.away_s,
                )
                outcome = _run(fault, hurt, undisturbed)
                say(f"{fault} on {place}, step {hurt.step}: {outcome}")
                outcomes.append(outcome)
    return _figures(outcomes)


def _run(fault: str, hurt: Hurt, undisturbed: StageJob) -> _Outcome:
    """Hurts a run and judges it; one that doesn't come to its end is an outcome, too."""
    started = time.monotonic()
    problem = ""
    try:
        HURTS[fault](hurt)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        problem = str(error)
    finally:
        hurt.start.end_all()
    return _judged(fault, hurt.job, undisturbed, time.monotonic() - started, problem)


def _job(settings: TrainDrill, folder: Path) -> StageJob:
    """Returns a stage of a small model, without dropout, which depends on the workers."""
    bench = TrainBench(
        layers=1, image_size=28, samples_per_step=4, warmup_steps=1, steps=settings.steps - 1
    )
    job = write_inputs(bench, storage.ensure_folder(folder / "inputs"))
    stage = job.config
    assert stage.lora is not None
    stage = replace(
        stage,
        lora=replace(stage.lora, rank=8, dropout=0.0),
        checkpoint_every=settings.checkpoint_every,
        workers=replace(stage.workers, count=2, max_failures=3),
    )
    return replace(job, config=stage)


def _judged(
    fault: str, job: StageJob, undisturbed: StageJob, wall_s: float, problem: str
) -> _Outcome:
    right = [m.loss for m in read_metrics(undisturbed.metrics)]
    found = read_metrics(job.metrics) if job.metrics.is_file() else []
    in_order = [m.step for m in found] == list(range(len(right)))
    pairs = zip((m.loss for m in found), right, strict=in_order)
    difference = max((abs(a - b) for a, b in pairs), default=0.0)
    finished = in_order and not problem and is_finished(job.output)
    if fault in RESIZED:
        is_equal = finished and difference <= _WITHIN
    else:
        is_equal = finished and difference == 0.0 and _weights(job) == _weights(undisturbed)
    return _Outcome(
        fault=fault,
        difference=difference,
        num_lost=0 if in_order else abs(len(found) - len(right)) or len(right),
        is_equal=is_equal,
        wall_s=wall_s,
        problem=problem,
    )


def _weights(job: StageJob) -> str:
    return trainable.read_cursor(trainable.every(job.checkpoints)[-1]).files[trainable.WEIGHTS]


def _figures(outcomes: list[_Outcome]) -> list[Figure]:
    ended = [one for one in outcomes if not one.problem]
    same = [one.difference for one in ended if one.fault not in RESIZED]
    resized = [one.difference for one in ended if one.fault in RESIZED]
    figures = [
        spread("runs_hurt", [len(outcomes)], "runs"),
        spread(
            "runs_equal_share",
            [sum(one.is_equal for one in outcomes) / len(outcomes)],
            "1",
            target=1.0,
            better="higher",
        ),
        spread(
            "steps_lost", [sum(one.num_lost for one in outcomes)], "steps", target=0, better="lower"
        ),
        spread("wall_s", [one.wall_s for one in outcomes], "s"),
    ]
    if same:
        figures.append(
            spread("difference_same_workers", [max(same)], "nats", target=0.0, better="lower")
        )
    if resized:
        figures.append(
            spread("difference_other_workers", [max(resized)], "nats", target=_WITHIN,
                   better="lower")
        )  # fmt: skip
    return figures
