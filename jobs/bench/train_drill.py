"""Measures training that goes wrong: `make bench NAME=train_drill`, or with `ARGS="--steps 48"`.

Runs on two workers are hurt, one after the other, on a disk and on S3: killed workers and drivers,
SIGTERM, a full disk (needs root), a store that goes away, a damaged checkpoint, a lost node and one
that is taken away. Afterwards each is compared with a run that nothing happened to.
"""

import dataclasses
from pathlib import Path

from training.drill_settings import TrainDrill

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "torch", "ray", "deepspeed", "transformers", "peft", "moto")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(TrainDrill(), arguments, "jobs/bench/train_drill.py")
    config.check(settings)
    machine = hardware()
    from training.drill import measure_drill

    figures = measure_drill(settings)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None),
        seeds=(settings.seed,),
        counts={"runs": settings.repeats * len(list(settings.faults_and_stores()))},
    )
    publish("train_drill", figures, conditions, root=_ROOT, folder=settings.output)


if __name__ == "__main__":
    run_job(main)
