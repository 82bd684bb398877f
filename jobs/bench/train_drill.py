"""Measures training that goes wrong: `make bench NAME=train_drill`, or `ARGS="--minutes 9"`.

Thirty runs on two workers are hurt, one after the other, on a disk and on S3 (moto's server and a
gateway of Ceph): killed workers and drivers, SIGTERM, full disks, stores that go away, damaged
checkpoints, nodes that are lost or taken away, other numbers of workers. Each is compared with a
run that nothing happened to. It takes root, and Debian's radosgw, ceph-mon and ceph-osd. A run that
is finished isn't repeated when the same command is typed again.
"""

from pathlib import Path

from training.drill_cases import TrainDrill

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
    from training.drill import run_drill
    from training.drill_outcomes import figures_of

    outcomes = run_drill(settings, _ROOT)
    chosen = ("only", "stores", "steps", "checkpoint_every", "away_s", "store_wait_s", "timeout_s")
    values = config.to_dict(settings)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration={name: values[name] for name in chosen}
        | {"runs": [config.to_dict(outcome) for outcome in outcomes]},
        seeds=(settings.seed,),
        counts={"runs": len(outcomes), "steps_of_a_run": settings.steps},
    )
    publish(
        "train_drill",
        figures_of(outcomes, settings),
        conditions,
        root=_ROOT,
        folder=settings.output,
    )


if __name__ == "__main__":
    run_job(main)
