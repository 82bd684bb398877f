"""What the drill does to runs; after each the same command must come to the same end."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.drilled_run import DrilledRun, Starter
from training.moto_store import MotoStore

from palo import storage
from palo.checkpoint import trainable
from palo.train.stages import StageJob

_EXIT_ERROR, _EXIT_INTERRUPTED = 2, 130


@dataclass(frozen=True, kw_only=True, slots=True)
class Hurt:
    """One run and what is needed to hurt it.

    Attributes:
        job: The stage.
        step: After which step it is hurt.
        start: Starts the command, with environment variables besides this process's own.
        store: The server of its store; None on a disk.
        folder: A folder of its own on a disk.
        away_s: How long a store is away, in seconds.
    """

    job: StageJob
    step: int
    start: Starter
    store: MotoStore | None
    folder: Path
    away_s: float

    def begin(self) -> DrilledRun:
        """Starts the command and waits for the step."""
        run = self.start(self.job, {})
        run.wait_for_step(self.step)
        return run


def kill_worker(hurt: Hurt) -> None:
    """SIGKILL of a worker: it is replaced."""
    run = hurt.begin()
    run.kill_worker()
    _require(run.end(0), "a worker was lost (1 of 3)")


def kill_driver(hurt: Hurt) -> None:
    """SIGKILL of the driver and with it of all: the same command resumes."""
    hurt.begin().kill()
    hurt.start(hurt.job, {}).end(0)


def terminate_driver(hurt: Hurt) -> None:
    """SIGTERM of the driver, as `ray job stop` sends it: a checkpoint, then the end."""
    run = hurt.begin()
    run.terminate()
    _require(run.end(_EXIT_INTERRUPTED), "stopped; run the same command again to resume")
    num_done = len(list(storage.read_json_lines(hurt.job.metrics)))
    newest = trainable.read_cursor(trainable.every(hurt.job.checkpoints)[-1])
    if newest.step != num_done:
        raise RuntimeError(f"{num_done} steps are done, {newest.step} saved")
    hurt.start(hurt.job, {}).end(0)


def damage_checkpoint(hurt: Hurt) -> None:
    """A bit of the newest checkpoint changes: the one before is used, aloud."""
    run = hurt.begin()
    run.wait_for("two checkpoints", lambda: len(trainable.every(hurt.job.checkpoints)) > 1)
    run.kill()
    weights = trainable.every(hurt.job.checkpoints)[-1] / trainable.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.unlink()
    storage.write_bytes(weights, bytes(data))
    _require(hurt.start(hurt.job, {}).end(0), "is damaged and set aside")


def fill_disk(hurt: Hurt) -> None:
    """The disk is full when a checkpoint is written: the run ends, and resumes with more room."""
    disk = hurt.folder / "disk"
    disk.mkdir()
    mounted = replace(hurt.job, output=disk / "run")
    with _small_disk(disk, _mib_of(hurt) * 3 // 2):
        said = hurt.start(mounted, {}).end(_EXIT_ERROR)
        _require(said, "disk space")
        _mount("-o", "remount,size=1g", str(disk))
        hurt.start(mounted, {}).end(0)
        shutil.copytree(mounted.output, hurt.job.output)


def _mib_of(hurt: Hurt) -> int:
    """Measures a checkpoint of the stage, on a run that is ended after the first."""
    probe = replace(hurt.job, output=hurt.folder / "probe")
    run = hurt.start(probe, {})
    run.wait_for("a checkpoint", lambda: bool(trainable.every(probe.checkpoints)))
    run.kill()
    path = trainable.every(probe.checkpoints)[0] / trainable.WEIGHTS
    return -(-path.stat().st_size // (1 << 20))


@contextmanager
def _small_disk(folder: Path, size_mib: int) -> Iterator[None]:
    _mount("-t", "tmpfs", "-o", f"size={max(1, size_mib)}m", "palo-drill", str(folder))
    try:
        yield
    finally:
        _run("umount", str(folder))


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words


def take_store_away(hurt: Hurt) -> None:
    """The store goes away and comes back: the run goes on, and says both."""
    assert hurt.store is not None
    run = hurt.begin()
    hurt.store.stop()
    time.sleep(hurt.away_s)
    hurt.store.start()
    said = run.end(0)
    _require(said, "store is away")
    _require(said, "store is back")


def lose_node(hurt: Hurt) -> None:
    """A node dies, later another one comes: two workers, one, two, in one command."""
    with ExitStack() as ended:
        cluster, node = _cluster(ended)
        run = hurt.start(_shrinking(hurt.job), {"RAY_ADDRESS": cluster.address})
        run.wait_for_step(hurt.step)
        cluster.remove_node(node, allow_graceful=False)
        run.wait_for("one worker", lambda: "starting 1 of 2 workers" in run.said)
        before = len(list(storage.read_json_lines(hurt.job.metrics)))
        run.wait_for_step(before + 1)
        cluster.add_node(num_cpus=1)
        said = run.end(0)
    _require(said, "the cluster can hold 2 workers again")


def preempt_node(hurt: Hurt) -> None:
    """The cluster says that a node will be taken away: a checkpoint in time, then another node."""
    with ExitStack() as ended:
        cluster, node = _cluster(ended)
        run = hurt.start(_shrinking(hurt.job), {"RAY_ADDRESS": cluster.address})
        run.wait_for_step(hurt.step)
        cluster.add_node(num_cpus=1)
        _run(
            "ray", "drain-node", "--address", cluster.address, "--node-id", node.node_id,
            "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "drill",
            "--deadline-remaining-seconds", "60",
        )  # fmt: skip
        said = run.end(0)
    _require(said, "a node is taken away")


def _shrinking(job: StageJob) -> StageJob:
    workers = replace(job.config.workers, least=1, wait_s=0.0)
    return replace(job, config=replace(job.config, workers=workers))


def _cluster(ended: ExitStack) -> tuple[Any, Any]:
    """Starts a cluster of two nodes with a logical CPU each; the second may be lost."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    ended.callback(cluster.shutdown)
    return cluster, cluster.add_node(num_cpus=1)


def _require(said: str, words: str) -> None:
    if words not in said:
        raise RuntimeError(f"the command never said {words!r}: {said[-2000:]}")


HURTS: dict[str, Callable[[Hurt], None]] = {
    "worker-killed": kill_worker,
    "driver-killed": kill_driver,
    "driver-terminated": terminate_driver,
    "checkpoint-damaged": damage_checkpoint,
    "disk-full": fill_disk,
    "store-away": take_store_away,
    "node-lost": lose_node,
    "node-preempted": preempt_node,
}
"""What is done, by its name."""
RESIZED = ("node-lost", "node-preempted")
"""Faults after which a run has other numbers of workers: its losses are equal within 1e-5."""
