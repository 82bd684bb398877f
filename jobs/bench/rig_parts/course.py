"""What happens on the rig: a cluster comes up, its run is stopped and loses a machine."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from resuming import say
from rig_parts.checkout import (
    CHECKOUT,
    ENVIRONMENT,
    HEAD,
    LAPTOP,
    NODES,
    WORKER,
    give_settings,
    own_scripts,
    prepare_laptop,
    set_cluster,
)
from rig_parts.cluster import RAYLET, Cluster, Submitted, wait_until
from rig_parts.settings import Part, RigBench
from rig_parts.ssh_machines import SshMachines
from training.stores import MotoStore

from palo import storage
from palo.errors import ResourceError
from palo.store import STORE
from palo.train.metrics import read_metrics

_RUN = "rig"
# 600 short steps: as many as a run needs to be looked at, stopped and hurt from another machine.
# One worker adds up in another order than two: at the recipe's rates that grows to 0.2 nats, at
# these it stays what it is, while the model still learns a thousand times as much.
_SMALL = (
    "--scenes.num-train-scenes", "120", "--scenes.num-records-per-scene", "10",
    "--scenes.num-heldout-scenes", "2", "--pretrain.global-batch", "20",
    "--finetune.global-batch", "4", "--finetune.epochs", "2", "--finetune.checkpoint-every", "8",
    "--finetune.optimizer.lr-language-model", "3e-6", "--finetune.optimizer.lr-projector", "3e-6",
)  # fmt: skip
# A worker takes a machine's two CPUs, so that two workers need two machines. Nobody brings the lost
# one back, so the run needn't wait long for it.
_TWO_MACHINES = (
    "--pretrain.workers.cpus", "2", "--finetune.workers.cpus", "2",
    "--finetune.workers.least", "1", "--finetune.workers.wait-s", "30",
)  # fmt: skip
_COMMAND = " ".join(
    ("python", "jobs/finetune.py", "nano", *_SMALL, *_TWO_MACHINES, "--output", f"runs/{_RUN}")
)
_MOUNT = "/shared"
_STORE_FOLDER = "store"
_WORKER_PROCESS = "RayTrainWorker"
_STOPPED = 130
_STEPS = re.compile(r"finetune  step (\d+)/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        same_workers_difference: The largest of a step's loss from that of the undisturbed run, of
            steps that two workers did.
        other_workers_difference: Likewise, of steps that the worker that was left did.
        steps: Steps that were compared.
        up_s: Seconds of `ray up` and until both machines were nodes.
        lost_s: Seconds from the loss of a machine to the next attempt.
        served_s: Seconds from the run's end until the endpoint had its model, by itself.
        page_status: HTTP status of the chat page.
        answer: What the model answers to a question.
    """

    same_workers_difference: float
    other_workers_difference: float
    steps: int
    up_s: float
    lost_s: float
    served_s: float
    page_status: int
    answer: str


class Rig:
    """The rig's steps.

    Args:
        settings: The settings.
        root: The checkout.
    """

    def __init__(self, settings: RigBench, root: Path) -> None:
        self._settings = settings
        self._root = root
        self._state = storage.ensure_folder(settings.state.absolute())
        self._undisturbed = self._state / "undisturbed"
        self._log = self._state / f"rig-{settings.place}.log"

    def prepare(self) -> None:
        """Makes the disks, and sets up a node as `ray up` does: it finds that done later."""
        with self._machines() as machines:
            prepare_laptop(machines, self._root)
            give_settings(machines, {})
            checkout, node = machines[LAPTOP].home / CHECKOUT, machines[HEAD].home
            values = yaml.safe_load(storage.read_text(checkout / "cluster" / "local.yaml"))
            for remote, local in values["file_mounts"].items():
                if local.startswith("./"):
                    _copy(checkout / local, node / remote.removeprefix("~/"))
            machines.turn_on(HEAD)
            set_up = "bash ~/palo/cluster/image/setup_node.sh"
            done = machines.run(HEAD, f"{own_scripts()} && {set_up}")
            if done.returncode != 0:
                said = done.stdout + done.stderr
                raise ResourceError("a node's set-up fails", seen=said[-2000:])
            machines.lose(HEAD)
            machines.copy_disk(HEAD, WORKER)

    def train_undisturbed(self) -> None:
        """Trains on this machine alone; nothing happens to that run."""
        command = [sys.executable, "jobs/finetune.py", "nano", *_SMALL]
        command += ["--output", str(self._undisturbed)]
        own = {name: value for name, value in os.environ.items() if name != STORE}
        subprocess.run(command, cwd=self._root, env=own, check=True)  # noqa: S603

    def use_cluster(self, parts: Sequence[Part]) -> Outcome | None:
        """Uses the cluster; each part brings it up and takes it down again.

        Args:
            parts: What is done, one after the other.

        Returns:
            What came of it, if the run has ended.
        """
        outcome = None
        with self._machines() as machines, self._store(machines, parts) as store:
            for part in parts:
                outcome = self._part(part, machines, store)
        return outcome

    def _part(self, part: Part, machines: SshMachines, store: Path) -> Outcome | None:
        began = time.monotonic()
        for name in (*NODES, LAPTOP):
            machines.turn_on(name)
        cluster = Cluster(machines, self._log, self._settings.timeout_s)
        with cluster.up():
            cluster.await_nodes()
            up_s = time.monotonic() - began
            if part == "begin":
                self._begin(cluster)
            else:
                lost_s, asked = self._finish(cluster), cluster.ask()
            cluster.type("python jobs/runs.py list")
        if left := cluster.processes(HEAD, RAYLET):
            raise ResourceError("`ray down` leaves Ray running", seen=f"{left} on the head")
        for name in (*NODES, LAPTOP):
            machines.lose(name)
        if part == "begin":
            return None
        same, other, steps = self._compared(store)
        return Outcome(
            same_workers_difference=same,
            other_workers_difference=other,
            steps=steps,
            up_s=up_s,
            lost_s=lost_s,
            served_s=asked["seconds"],
            page_status=asked["page"],
            answer=asked["answer"],
        )

    def _compared(self, store: Path) -> tuple[float, float, int]:
        """Returns the largest differences of a step's loss, and the number of steps."""
        here, there = (
            read_metrics(run / "finetune" / "metrics.jsonl")
            for run in (self._undisturbed, store / "runs" / _RUN)
        )
        if len(here) != len(there):
            raise ResourceError("steps are missing", seen=f"{len(there)} of {len(here)}")
        pairs = list(zip(here, there, strict=True))
        same = [abs(a.loss - b.loss) for a, b in pairs if a.num_workers == b.num_workers]
        other = [abs(a.loss - b.loss) for a, b in pairs if a.num_workers != b.num_workers]
        if not same or not other:
            raise ResourceError("no machine was lost in mid-training", seen=f"{len(other)} steps")
        return max(same), max(other), len(pairs)

    def clear(self) -> None:
        """Takes the disks away."""
        self._machines().clear()

    def _begin(self, cluster: Cluster) -> None:
        """Submits the run, and stops it while it trains on both machines."""
        job = cluster.submit(_COMMAND)
        self._await_step(cluster, job, self._settings.stop_at)
        counts = {name: cluster.processes(name, _WORKER_PROCESS) for name in NODES}
        if not all(counts.values()):
            raise ResourceError("the workers aren't on both machines", seen=str(counts))
        cluster.type(f"python jobs/runs.py stop {_RUN}")
        job.end(_STOPPED)

    def _finish(self, cluster: Cluster) -> float:
        """Submits the run again, takes a machine from it, and sees it to its end.

        Returns:
            Seconds from the loss to the next attempt.
        """
        before = self._newest_step(cluster)
        job = cluster.submit(_COMMAND)
        self._await_step(cluster, job, before + self._settings.kill_after)
        cluster.lose_worker()
        lost = time.monotonic()
        job.wait_for("starting 1 of 2 workers")
        lost_s = time.monotonic() - lost
        job.end(0)
        return lost_s

    def _await_step(self, cluster: Cluster, job: Submitted, step: int) -> None:
        """Waits until the run has done a step, as the laptop sees it in the store."""

        def is_done() -> bool:
            job.require_running()
            return self._newest_step(cluster) >= step

        wait_until(is_done, f"step {step}", self._settings.timeout_s)

    def _newest_step(self, cluster: Cluster) -> int:
        """Returns the last step that the run's log in the store tells; 0 if it tells none."""
        found = _STEPS.findall(cluster.look(f"python jobs/runs.py logs {_RUN}"))
        return int(found[-1]) if found else 0

    def _machines(self) -> SshMachines:
        return SshMachines(
            self._state,
            (*NODES, LAPTOP),
            self._settings.disk_mib,
            shared={_MOUNT: storage.ensure_folder(self._state / "shared")}
            if self._settings.place == "mount"
            else {},
            also=ENVIRONMENT,
        )

    @contextmanager
    def _store(self, machines: SshMachines, parts: Sequence[Part]) -> Iterator[Path]:
        """Runs the store, and sets it everywhere; yields it as this machine sees it."""
        if "begin" in parts:
            self._log.unlink(missing_ok=True)
            storage.remove(self._state / "shared" / _STORE_FOLDER)
        if self._settings.place == "mount":
            place = f"{_MOUNT}/{_STORE_FOLDER}"
            give_settings(machines, {STORE: place})
            set_cluster(machines, place)
            yield self._state / "shared" / _STORE_FOLDER
            return
        with MotoStore() as moto:
            place = str(moto.bucket(machines.address) / _STORE_FOLDER)
            keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
            give_settings(machines, {STORE: place} | {name: os.environ[name] for name in keys})
            set_cluster(machines, place)
            say(f"the store is {place}")
            yield moto.bucket() / _STORE_FOLDER


def _copy(source: Path, target: Path) -> None:
    storage.ensure_folder(target.parent)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)
