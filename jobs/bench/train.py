"""Measures training: `make bench NAME=train`, or `python jobs/bench/train.py [--field value ...]`.

1. The whole job (Ray Train, ZeRO-3, loader) against a bare loop on the same batches.
2. The whole job under ZeRO-3 against ZeRO-1, and a worker of all against one alone.
3. Useful tokens per computed token: packs against padded batches, on ten-language lengths.
4. A packed row against its samples one by one, and LoRA as one operation against PEFT's layers.

A part at a time: `--part job --output build/job` and so on, then `--joins build/job ...`.
"""

import dataclasses
import tempfile
from pathlib import Path

from training.settings import TrainBench

from palo import config
from palo.benchmark import Conditions, Figure, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "ray", "deepspeed", "transformers", "peft")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(TrainBench(), arguments, "jobs/bench/train.py")
    config.check(settings)
    if settings.joins:
        from training.joined import join_parts

        figures, conditions = join_parts(settings.joins, _PACKAGES)
        publish("train", figures, conditions, root=_ROOT, folder=settings.output)
        return
    machine = hardware()
    figures = [*_lengths(settings), *_model_figures(settings)]
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None),
        seeds=range(settings.seed, settings.seed + settings.length_seeds),
        counts={
            "steps_compared": settings.repeats * settings.steps,
            "samples_compared": settings.repeats * settings.steps * settings.samples_per_step,
            "packing_repeats": settings.packing_repeats,
            "conversations_measured": settings.conversations * settings.length_seeds,
        },
    )
    publish("train", figures, conditions, root=_ROOT, folder=settings.output)


def _lengths(settings: TrainBench) -> list[Figure]:
    if not settings.runs("lengths"):
        return []
    from training.lengths import measure_lengths

    return measure_lengths(settings, _ROOT)


def _model_figures(settings: TrainBench) -> list[Figure]:
    """Measures what needs the model, on inputs that are gone afterwards."""
    figures: list[Figure] = []
    if settings.part == "lengths":
        return figures
    from training.inputs import write_inputs
    from training.lora_ways import measure_lora
    from training.packing import measure_packing
    from training.whole_job import measure_job, measure_workers, measure_zero

    with tempfile.TemporaryDirectory(prefix="palo-bench-") as folder:
        job = write_inputs(settings, Path(folder))
        if settings.runs("job"):
            figures += measure_job(settings, job)
        if settings.runs("zero"):
            figures += measure_zero(settings, job)
        if settings.runs("workers"):
            figures += measure_workers(settings, job)
        if settings.runs("packing"):
            figures.append(measure_packing(settings, job))
        if settings.runs("lora"):
            figures += measure_lora(settings, job)
    return figures


if __name__ == "__main__":
    run_job(main)
