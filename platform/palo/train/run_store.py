"""Where a stage's outputs lie, as a worker sees them: a shared disk, or a store on S3.

On a shared disk a worker writes in place. For S3 it writes to a disk of its own machine, and a
thread uploads: metrics and events as they grow, then the files of a checkpoint with `state.json`
last. What the store holds is the run; the copy on the disk can be lost at any time.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from palo import config, storage
from palo.account import cache_folder
from palo.checkpoint import trainable
from palo.checkpoint.finished import StageResult
from palo.checkpoint.soundness import newest_sound
from palo.errors import ResourceError, StorageError
from palo.storage import S3Path
from palo.train.stages import StageJob
from palo.train.store_proof import proof_in
from palo.train.uploads import Uploads

_GROWING_DELAY_S = 2.0
_LOOK_EVERY_S = 2.0


class RunStore:
    """The outputs of a stage in a folder that every worker sees.

    Args:
        job: The stage.

    Attributes:
        job: The stage.
        folder: Where this worker writes.
    """

    def __init__(self, job: StageJob) -> None:
        self.job = job
        self.folder = job.output

    @property
    def metrics(self) -> Path:
        """File of the metrics, on a disk."""
        return self.folder / self.job.metrics.name

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints that this worker writes, on a disk."""
        return self.folder / self.job.checkpoints.name

    def note(self, kind: str, text: str, **facts: Any) -> None:  # noqa: ANN401 - JSON values
        """Appends a line to the stage's events, whose `note` the job's process shows.

        Args:
            kind: What happened, in one word.
            text: The same for people.
            facts: Further JSON values.
        """
        line = {"time": time.time(), "event": kind, **facts, "note": text}
        path = self.folder / self.job.events.name
        storage.append_line(path, line)
        self.grown(path)

    def grown(self, path: Path) -> None:
        """Is told that a file has other content, for example more lines.

        Args:
            path: A file below `folder`.

        Raises:
            StorageError: If the store has been away for too long.
        """

    def written(self, checkpoint: Path) -> None:
        """Is told that a checkpoint is whole on the disk.

        Args:
            checkpoint: A folder in `checkpoints`.

        Raises:
            StorageError: If the store has been away for too long.
        """

    def newest(self) -> Path | None:
        """Returns the newest sound checkpoint, on a disk; damaged ones are set aside.

        Raises:
            StorageError: If there are some, but none is sound.
        """
        return newest_sound(self.job.checkpoints, self._say_damage, self.fetch)

    def fetch(self, checkpoint: Path) -> Path:
        """Returns a checkpoint of the store on a disk of this machine.

        Args:
            checkpoint: A folder in the job's `checkpoints`.
        """
        return checkpoint

    def at(self, step: int) -> Path:
        """Returns the checkpoint after so many steps, on a disk of this machine.

        Args:
            step: The steps.
        """
        return self.fetch(self.job.checkpoints / trainable.name_of(step))

    def stop_requested(self) -> bool:
        """Returns whether the job's process asks for a checkpoint and the end."""
        return self.job.stop_file.exists()

    def wait(self) -> None:
        """Returns when the store holds everything.

        Raises:
            StorageError: If the store has been away for too long.
        """

    def finish(self, write: Callable[[], StageResult]) -> StageResult:
        """Has the stage's result written, after everything else.

        Args:
            write: Writes it into the job's `output`; called again where the store goes away.

        Raises:
            StorageError: If it can't be written, or the store has been away for too long.
        """
        return write()

    def close(self) -> None:
        """Ends the store's threads; what isn't sent stays on the disk."""

    def _say_damage(self, line: str) -> None:
        self.note("damaged", line)


class ObjectStore(RunStore):
    """The outputs of a stage on S3, with a copy on this machine's disk.

    Args:
        job: The stage.
        scratch: Where the copy lies.
        writes: Whether this worker writes outputs: only one does.
    """

    def __init__(self, job: StageJob, scratch: Path, *, writes: bool) -> None:
        super().__init__(job)
        self.folder = storage.ensure_folder(scratch)
        self._uploads: Uploads | None = None
        self._stop = threading.Event()
        self._ended = threading.Event()
        if not writes:
            return
        files = job.files
        for source in (files.metrics, files.validations, files.events):  # of an earlier attempt
            data = source.read_bytes() if source.is_file() else b""
            storage.write_bytes(self.folder / source.name, data)
        self._proof = proof_in(job)
        if files.trackers.is_file():
            storage.write_bytes(self.folder / files.trackers.name, files.trackers.read_bytes())
        self._uploads = Uploads(job.config.store_wait_s, self._say_away)
        threading.Thread(target=self._look_for_stop, name="palo-stop", daemon=True).start()

    def grown(self, path: Path) -> None:
        """See RunStore.grown.

        Args:
            path: A file of `folder`.
        """
        if self._uploads is not None:
            self._uploads.put(str(path), lambda: self._send_lines(path), _GROWING_DELAY_S)

    def written(self, checkpoint: Path) -> None:
        """See RunStore.written.

        Args:
            checkpoint: A folder in `checkpoints`.
        """
        if self._uploads is not None:
            self._uploads.put("checkpoint", lambda: self._send_checkpoint(checkpoint))

    def fetch(self, checkpoint: Path) -> Path:
        """See RunStore.fetch.

        Args:
            checkpoint: A folder in the job's `checkpoints`.
        """
        return storage.keep_copy(checkpoint, self.checkpoints / checkpoint.name)

    def stop_requested(self) -> bool:
        """See RunStore.stop_requested."""
        return self._stop.is_set()

    def wait(self) -> None:
        """See RunStore.wait."""
        if self._uploads is not None:
            self._uploads.wait()

    def finish(self, write: Callable[[], StageResult]) -> StageResult:
        """See RunStore.finish.

        Args:
            write: Writes it into the job's `output`; called again where the store goes away.
        """
        if self._uploads is None:
            raise ValueError("only the worker that writes outputs finishes a stage")
        written: list[StageResult] = []

        def send() -> None:
            self._require_own()
            written.append(write())

        self._uploads.wait()
        self._uploads.put("result", send)
        self._uploads.wait()
        return written[-1]

    def close(self) -> None:
        """See RunStore.close."""
        self._ended.set()
        if self._uploads is not None:
            self._uploads.close()

    def _require_own(self) -> None:
        """Sends nothing where another job has taken over the run, as it does after a long sleep.

        Raises:
            ResourceError: If it has.
        """
        if self._proof is not None and proof_in(self.job) != self._proof:
            raise ResourceError(
                "another job trains in this run folder",
                seen=f"{self.job.output} is no longer this job's",
                fix="Let that job go on: this one has ended, and has written nothing since.",
            )

    def _send_lines(self, path: Path) -> None:
        self._require_own()
        target = self.job.output / path.relative_to(self.folder)
        storage.write_bytes(target, storage.read_bytes(path))

    def _send_checkpoint(self, checkpoint: Path) -> None:
        """Uploads a checkpoint after the lines of the steps before it."""
        if not (checkpoint / trainable.STATE).is_file():
            return  # a newer one has taken its place while the store was away
        self._require_own()
        if self.metrics.exists():
            self._send_lines(self.metrics)
        try:
            self._copy_checkpoint(checkpoint, self.job.checkpoints / checkpoint.name)
        except StorageError:
            if (checkpoint / trainable.STATE).is_file():
                raise
            return  # a newer one took its place meanwhile
        stage = self.job.config
        trainable.prune(self.job.checkpoints, stage.keep_checkpoints, stage.keep_best)

    def _copy_checkpoint(self, checkpoint: Path, target: Path) -> None:
        for name in (trainable.WEIGHTS, trainable.STATE):
            storage.copy_file(checkpoint / name, target / name)
            with storage.wrap_os_errors("write", checkpoint / name):
                stamp = (target / name).stat().st_mtime_ns  # the same file, for `keep_copy`
                os.utime(checkpoint / name, ns=(stamp, stamp))

    def _look_for_stop(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            try:
                if self.job.stop_file.exists():
                    self._stop.set()
            except StorageError:  # the uploads say that the store is away
                continue

    def _say_away(self, line: str) -> None:
        """Writes a line without sending it: this is called where nothing can be sent."""
        self.note("store", line)


def open_run_store(job: StageJob, *, writes: bool) -> RunStore:
    """Returns the store of a stage's outputs, as this worker sees it.

    Args:
        job: The stage.
        writes: Whether this worker writes outputs: only one does.
    """
    if isinstance(job.output, S3Path):
        return ObjectStore(job, scratch_folder(job), writes=writes)
    return RunStore(job)


def scratch_folder(job: StageJob) -> Path:
    """Returns the folder on this machine's disk for the copy of a stage's outputs.

    Args:
        job: The stage, whose folder is on S3.
    """
    folder = job.config.workers.scratch or cache_folder() / "runs"
    return folder / f"{job.output.name}-{config.fingerprint(str(job.output))[:12]}"
