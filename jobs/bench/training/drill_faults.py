"""What the drill does to processes, checkpoints and stores; then the same command must finish."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from training.drill_cases import TrainDrill
from training.drill_job import resized
from training.drilled_run import DrilledRun, Starter, num_steps
from training.stores import Store

from palo import storage
from palo.checkpoint import trainable
from palo.train.stages import StageJob

EXIT_ERROR, EXIT_INTERRUPTED = 2, 130


@dataclass(kw_only=True, slots=True)
class Hurt:
    """One run and what is needed to hurt it.

    Attributes:
        job: The stage.
        settings: The drill's.
        step: After which step it is hurt.
        start: Starts the command, with environment variables besides this process's own.
        store: The server of its store; None on a disk.
        folder: A folder of its own on a disk, with a short path.
        hurt_at: When it was hurt, by time.monotonic.
        waits: From then to the next step, or to the end of the command, in seconds.
        repeated: How many steps were done again, if that is known.
    """

    job: StageJob
    settings: TrainDrill
    step: int
    start: Starter
    store: Store | None
    folder: Path
    hurt_at: float = 0.0
    waits: list[float] = field(default_factory=list)
    repeated: int = 0

    def begin(self, job: StageJob | None = None) -> DrilledRun:
        """Starts the command and waits for the step.

        Args:
            job: The stage, where other settings are wanted.
        """
        run = self.start(job or self.job)
        run.wait_for_step(self.step)
        return run

    def now(self, job: StageJob | None = None) -> None:
        """Notes that it is hurt now, and how many steps are in no checkpoint.

        Args:
            job: The stage, where other settings are wanted.
        """
        self.hurt_at = time.monotonic()
        self.repeated = num_steps(job or self.job) - newest_step(job or self.job)

    def recovered(self) -> None:
        """Notes that it has got over it."""
        self.waits.append(time.monotonic() - self.hurt_at)

    def finish(self, job: StageJob | None = None) -> str:
        """Types the same command again, and waits for its end; returns what it said.

        Args:
            job: The stage, where other settings are wanted.
        """
        run = self.start(job or self.job)
        run.wait_for("a resumed step", lambda: "finished" in run.said or " step " in run.said)
        self.recovered()
        return run.end()


def require(said: str, *words: str) -> None:
    """Checks that a command has said something.

    Args:
        said: What it said.
        words: Words of it.

    Raises:
        RuntimeError: If it hasn't.
    """
    for each in words:
        if each not in said:
            raise RuntimeError(f"the command never said {each!r}: {said[-2000:]}")


def kill_worker(hurt: Hurt) -> None:
    """SIGKILL of a worker: it is replaced."""
    run = hurt.begin()
    hurt.now()
    run.kill_worker()
    run.wait_for("its loss", lambda: "a worker was lost (1 of 3)" in run.said)
    before = num_steps(hurt.job)
    run.wait_for("another step", lambda: num_steps(hurt.job) > before)
    hurt.recovered()
    run.end()


def kill_driver(hurt: Hurt) -> None:
    """SIGKILL of the driver and with it of all: the same command resumes."""
    run = hurt.begin()
    hurt.now()
    run.kill()
    hurt.finish()


def terminate_driver(hurt: Hurt) -> None:
    """SIGTERM of the driver, as `ray job stop` sends it: a checkpoint, then the end."""
    run = hurt.begin()
    _terminate(hurt, run)
    hurt.finish()


def resize(hurt: Hurt) -> None:
    """The command is stopped, typed with one worker, stopped again, and typed with two."""
    one = resized(hurt.job, count=1)
    run = hurt.begin()
    _terminate(hurt, run)
    run = hurt.start(one)
    run.wait_for_step(num_steps(hurt.job) + 4)
    _terminate(hurt, run)
    hurt.finish()


def _terminate(hurt: Hurt, run: DrilledRun) -> None:
    hurt.hurt_at = time.monotonic()
    run.terminate()
    require(run.end(EXIT_INTERRUPTED), "stopped; run the same command again to resume")
    hurt.recovered()
    hurt.hurt_at = time.monotonic()
    if (newest := newest_step(hurt.job)) != num_steps(hurt.job):
        raise RuntimeError(f"{num_steps(hurt.job)} steps are done, {newest} saved")


def damage_checkpoint(hurt: Hurt) -> None:
    """A bit of the newest checkpoint changes: the one before is used, aloud."""
    run = hurt.begin()
    run.wait_for("two checkpoints", lambda: len(trainable.every(hurt.job.checkpoints)) > 1)
    run.kill()
    hurt.hurt_at = time.monotonic()
    newest, before = reversed(trainable.every(hurt.job.checkpoints)[-2:])
    hurt.repeated = num_steps(hurt.job) - trainable.read_cursor(before).step
    weights = newest / trainable.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.unlink()
    storage.write_bytes(weights, bytes(data))
    require(hurt.finish(), "is damaged and set aside")


def take_store_away(hurt: Hurt) -> None:
    """The store goes away and comes back: the run goes on, and says both."""
    assert hurt.store is not None
    run = hurt.begin()
    hurt.hurt_at = time.monotonic()
    hurt.store.leave()
    time.sleep(hurt.settings.away_s)
    hurt.store.come_back()
    run.wait_for("its return", lambda: "store is back" in run.said)
    hurt.recovered()
    require(run.end(), "store is away")


def keep_store_away(hurt: Hurt) -> None:
    """The store goes away for longer than it is waited for: the run ends, and resumes with it."""
    assert hurt.store is not None
    run = hurt.begin()
    hurt.hurt_at = time.monotonic()
    hurt.store.leave()
    try:
        require(run.end(EXIT_ERROR), "the run's store has been away for")
    finally:
        hurt.store.come_back()
    hurt.recovered()
    hurt.now()
    hurt.finish()


def newest_step(job: StageJob) -> int:
    """Returns after how many steps a stage's newest checkpoint was written; 0 without one.

    Args:
        job: The stage.
    """
    checkpoints = trainable.every(job.checkpoints)
    return trainable.read_cursor(checkpoints[-1]).step if checkpoints else 0
