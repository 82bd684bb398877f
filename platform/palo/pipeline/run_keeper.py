"""Keeps the record of a run up to date, and obeys who asks the run to stop.

What keeps a second job out of the run folder is `storage.alone_in`, on a disk and on S3.
"""

import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from palo import config, storage
from palo.errors import PaloError, StorageError
from palo.pipeline.run_record import EVERY_S, RECORD, STOP, RunRecord, RunState
from palo.recipes.recipe import Recipe
from palo.session import submission_id

_LOOK_EVERY_S = 2.0


@contextmanager
def recorded_run(recipe: Recipe, program: str) -> Iterator[None]:
    """Keeps the record of a run for the length of the block, and obeys who asks it to stop.

    Args:
        recipe: The run.
        program: The script.

    Raises:
        StorageError: If the record can't be written.
    """
    stages = {"finetune": recipe.finetune_folder}
    if recipe.pretrain is not None:
        stages = {"pretrain": recipe.pretrain_folder, **stages}
    if recipe.align is not None:
        stages = {"align": recipe.align_folder, **stages}
    now = time.time()
    record = RunRecord(
        recipe=recipe.scale,
        program=program,
        state="running",
        started=now,
        seen=now,
        machine=platform.node(),
        process=os.getpid(),
        submission=submission_id(),
        stages={name: str(folder) for name, folder in stages.items()},
    )
    with _Keeper(recipe.output, record) as keeper:
        _keepers[recipe.output] = keeper
        try:
            yield
        finally:
            del _keepers[recipe.output]


def note_step(run: Path, step: str) -> None:
    """Records what a run does now.

    Args:
        run: The run folder; one that nobody records is ignored.
        step: The step.
    """
    if (keeper := _keepers.get(run)) is not None:
        keeper.note(step)


class _Keeper:
    """Writes a run's record, renews it in a thread, and looks there for a wish to stop."""

    def __init__(self, run: Path, record: RunRecord) -> None:
        self._run = run
        self._record = record
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="palo-record", daemon=True)

    def __enter__(self) -> "_Keeper":
        self._write()
        (self._run / STOP).unlink(missing_ok=True)  # from before this attempt: not for it
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        state: RunState = "finished"
        if error is not None:
            state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        told = "" if state != "failed" else _line_of(error)
        try:
            with self._turn:
                self._record = replace(self._record, state=state, error=told)
                self._write()
        except StorageError as away:
            if error is None:
                raise
            _say(f"the run's record says that it still runs: {away}")

    def note(self, step: str) -> None:
        """Records what the run does now."""
        with self._turn:
            self._record = replace(self._record, step=step)
            self._write()

    def _write(self) -> None:
        """Writes the record.

        Raises:
            StorageError: If it can't be written.
        """
        self._record = replace(self._record, seen=time.time())
        storage.write_json(self._run / RECORD, config.to_dict(self._record))

    def _renew(self) -> None:
        due = time.monotonic() + EVERY_S
        while not self._ended.wait(_LOOK_EVERY_S):
            try:
                if (self._run / STOP).exists():
                    (self._run / STOP).unlink(missing_ok=True)
                    _say("somebody asks this run to stop")
                    _interrupt()
                if time.monotonic() >= due:
                    due = time.monotonic() + EVERY_S
                    with self._turn:
                        self._write()
            except StorageError:  # the store is away: the training has its own patience with it
                continue


_keepers: dict[Path, _Keeper] = {}


def _line_of(error: BaseException | None) -> str:
    text = str(error) if isinstance(error, PaloError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt() -> None:
    """Does what Ctrl-C does; a shell's background job, which ignores that, gets a SIGTERM."""
    handler: Callable[..., object] | int | None = signal.getsignal(signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT if callable(handler) else signal.SIGTERM)
