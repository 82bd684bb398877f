"""Checkpoints of a running stage: when one is due, and their writing beside training."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from palo import config
from palo.checkpoint import trainable
from palo.checkpoint.trainable import Cursor
from palo.train.metrics import StepMetrics
from palo.train.run_store import RunStore

if TYPE_CHECKING:
    from palo.checkpoint.trainable import ParameterState
    from palo.train.engine import TrainEngine

# A checkpoint may still be uploaded while the next one is written.
_LEAST_ON_DISK = 2


class Checkpointer:
    """Resumes a stage from its newest sound checkpoint, and writes further ones.

    A checkpoint is copied from the workers and written by a thread of rank 0 while they train on.
    At most one is under way: the next waits for it. All methods must be called on every worker
    together, but for those that say otherwise.

    Args:
        store: Where the stage's outputs lie.
        engine: Model and optimizer.
        identity: Fingerprints of what decides what the stage learns.
        clock: Tells seconds.
    """

    def __init__(
        self,
        store: RunStore,
        engine: "TrainEngine",
        identity: dict[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._engine = engine
        self._identity = identity
        self._clock = clock
        self._writing: Future[Path] | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="palo-checkpoint")
        self._losses: list[float] = []
        self._held_out: tuple[int, float] | None = None
        self._skipped = 0
        self._saved_at = clock()

    def resume(self) -> int:
        """Restores the newest sound checkpoint.

        Returns:
            The steps that were done; 0 without a checkpoint.

        Raises:
            MismatchError: If it is of another run.
            StorageError: If there are checkpoints, but none is sound.
        """
        found = torch.zeros(2, dtype=torch.float64)
        if self._engine.rank == 0 and (newest := self._store.newest()) is not None:
            cursor = trainable.read_cursor(newest)
            job = self._store.job
            trainable.check_continues(cursor.identity, self._identity, job.output)
            found = torch.tensor([cursor.step, cursor.skipped], dtype=torch.float64)
        step, skipped = (int(value) for value in self._engine.sum_over_workers(found).tolist())
        if step:
            states = trainable.read_states(self._store.at(step))
            self._engine.restore(states, step - skipped)
        self._skipped = skipped
        self._saved_at = self._clock()
        return step

    def is_due(self, done: int) -> bool:
        """Returns whether a checkpoint is due, on rank 0 alone; False on the others.

        Args:
            done: Steps that will be done.

        Raises:
            StorageError: If the last one couldn't be written.
        """
        if self._engine.rank != 0:
            return False
        is_writing = self._writing is not None and not self._writing.done()
        if not is_writing:
            self._settle()
        stage = self._store.job.config
        waited_s = self._clock() - self._saved_at
        return done % stage.checkpoint_every == 0 or (
            waited_s >= stage.checkpoint_every_s and not is_writing
        )

    def count(self, metrics: StepMetrics) -> None:
        """Counts a step that changed the weights.

        Args:
            metrics: The step's metrics.
        """
        self._losses.append(metrics.loss)

    def judge(self, done: int, loss: float) -> None:
        """Takes the loss on held-out rows, by which the checkpoint of the same step is judged.

        Args:
            done: Steps that are done.
            loss: Mean of the languages' losses, in nats.
        """
        self._held_out = (done, loss)

    def count_skipped(self) -> None:
        """Counts a step that changed no weight."""
        self._skipped += 1

    def save(self, done: int) -> None:
        """Copies the state from the workers, and has it written.

        Args:
            done: Steps that are done.

        Raises:
            StorageError: If the checkpoint before couldn't be written.
        """
        self._settle()
        states = self._engine.gather()
        self._saved_at = self._clock()
        if self._engine.rank == 0:
            cursor = Cursor(
                step=done,
                identity=self._identity,
                config=config.to_dict(self._store.job),
                skipped=self._skipped,
                loss=fmean(self._losses) if self._losses else None,
                held_out_loss=self._judged(done),
            )
            self._writing = self._writer.submit(self._write, states, cursor)
        self._losses = []

    def wait(self) -> None:
        """Returns when the last checkpoint is in the store.

        Raises:
            StorageError: If it couldn't be written.
        """
        self._settle()
        self._store.wait()

    def close(self) -> None:
        """Ends the thread once a checkpoint that is under way is written."""
        self._writer.shutdown()

    def _judged(self, done: int) -> float | None:
        return self._held_out[1] if self._held_out and self._held_out[0] == done else None

    def _settle(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, states: "dict[str, ParameterState]", cursor: Cursor) -> Path:
        store, stage = self._store, self._store.job.config
        on_disk = stage.keep_checkpoints
        if store.folder != store.job.output:
            on_disk = max(on_disk, _LEAST_ON_DISK)
        path = trainable.save(store.checkpoints, states, cursor, on_disk, stage.keep_best)
        store.written(path)
        return path
