"""The stage that the drill trains: as the mini recipe does, but tiny."""

from dataclasses import replace
from pathlib import Path

from training.drill_cases import TrainDrill
from training.inputs import write_inputs
from training.settings import TrainBench

from palo import storage
from palo.train.stages import StageJob


def drill_job(settings: TrainDrill, folder: Path) -> StageJob:
    """Writes the inputs of a stage, without dropout, which depends on the number of workers.

    Args:
        settings: The drill's settings.
        folder: Where the inputs go.
    """
    bench = TrainBench(
        layers=1,
        width=72,
        image_size=28,
        samples_per_step=4,
        warmup_steps=1,
        steps=settings.steps - 1,
    )
    job = write_inputs(bench, storage.ensure_folder(folder))
    stage = job.config
    assert stage.lora is not None
    stage = replace(
        stage,
        lora=replace(stage.lora, rank=8, dropout=0.0),
        checkpoint_every=settings.checkpoint_every,
        store_wait_s=settings.store_wait_s,
        workers=replace(stage.workers, count=2, max_failures=3, stall_s=settings.timeout_s),
    )
    return replace(job, config=stage)


def resized(job: StageJob, **changes: object) -> StageJob:
    """Returns the stage with other settings of its workers.

    Args:
        job: The stage.
        changes: The settings.
    """
    workers = replace(job.config.workers, **changes)  # type: ignore[arg-type]
    return replace(job, config=replace(job.config, workers=workers))
