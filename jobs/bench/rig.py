"""Uses a cluster of three machines as a person does: `make bench NAME=rig`.

The machines are namespaces of Linux on this one, each with a disk, a network and an SSH server of
its own; root, openssh-server and rsync are needed. On a laptop `ray up cluster/local.yaml` is
typed, a small fine-tune is submitted whose workers are on two machines, it is stopped and resumed,
the second machine loses its power in mid-training, the endpoint is asked, which has the new model
by itself, and `ray down` ends the cluster. The losses are compared with those of a run on this
machine that nothing happens to.

With `ARGS="--place mount --step prepare"`, `undisturbed`, `begin` and `finish` it is done in four
goes; disks stay in memory between them, until `--step clear`.
"""

from pathlib import Path

from rig_parts.settings import PARTS, Part, RigBench

from palo import config
from palo.benchmark import Conditions, publish, spread
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "ray", "torch", "deepspeed", "moto")


def main(arguments: list[str]) -> None:
    """Runs the bench.

    Args:
        arguments: The command line.
    """
    settings = override(RigBench(), arguments, "jobs/bench/rig.py")
    config.check(settings)
    machine = hardware()
    from rig_parts.course import Rig

    rig = Rig(settings, _ROOT)
    if settings.step in ("prepare", "all"):
        rig.prepare()
    if settings.step in ("undisturbed", "all"):
        rig.train_undisturbed()
    parts: list[Part] = [one for one in PARTS if settings.step in (one, "all")]
    outcome = rig.use_cluster(parts) if parts else None
    if outcome is not None:
        values = config.to_dict(settings)
        chosen = ("place", "stop_at", "kill_after")
        conditions = Conditions(
            hardware=machine,
            packages=_PACKAGES,
            configuration={name: values[name] for name in chosen}
            | {"answer": outcome.answer, "page_status": outcome.page_status},
            counts={"machines": 3, "steps": outcome.steps},
        )
        figures = [
            spread(
                "loss_difference_same_workers",
                [outcome.same_workers_difference],
                "nats",
                target=0.0,
                better="lower",
            ),
            spread(
                "loss_difference_other_workers",
                [outcome.other_workers_difference],
                "nats",
                target=1e-5,
                better="lower",
            ),
            spread("up_s", [outcome.up_s], "s"),
            spread("from_lost_machine_to_next_attempt_s", [outcome.lost_s], "s"),
            spread("from_end_of_run_to_its_model_at_the_endpoint_s", [outcome.served_s], "s"),
        ]
        publish("rig", figures, conditions, root=_ROOT, folder=settings.output)
    if settings.step in ("clear", "all"):
        rig.clear()


if __name__ == "__main__":
    run_job(main)
