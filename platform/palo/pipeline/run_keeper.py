"""Keeps the record of a run up to date, and obeys who asks the run to stop.

On a disk a lock keeps a second job out of a run folder. S3 has no locks: there the record is one.
A job takes it over only when it isn't renewed any more, and a job that has lost it ends.
"""

import json
import os
import platform
import secrets
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
from palo.errors import PaloError, ResourceError, StorageError
from palo.pipeline.run_record import EVERY_S, LOST_S, RECORD, STOP, RunRecord, RunState
from palo.recipes.recipe import Recipe
from palo.session import submission_id
from palo.storage import S3Path
from palo.storage.conditional import read_versioned, write_if

_SURELY_LOST_S = 300.0  # whatever the clocks of two machines say
_LOOK_EVERY_S = 2.0


@contextmanager
def recorded_run(recipe: Recipe, program: str) -> Iterator[None]:
    """Keeps the record of a run for the length of the block, and obeys who asks it to stop.

    Args:
        recipe: The run.
        program: The script.

    Raises:
        ResourceError: If another job works in the run folder, on S3.
        StorageError: If the record can't be written.
    """
    stages = {"finetune": recipe.finetune_folder}
    if recipe.pretrain is not None:
        stages = {"pretrain": recipe.pretrain_folder, **stages}
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
        owner=secrets.token_hex(8),
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


@contextmanager
def claimed(run: Path, folder: Path) -> Iterator[None]:
    """Keeps other runs out of a folder that runs share for the length of the block.

    Args:
        run: The run folder; one that nobody records claims nothing on S3.
        folder: The folder; made if it is missing.

    Raises:
        ResourceError: If another run works there.
        StorageError: If it can't be written.
    """
    if not isinstance(folder, S3Path):
        with storage.alone_in(folder):
            yield
        return
    keeper = _keepers.get(run)
    if keeper is None:
        yield
        return
    record = replace(keeper.record, owner=secrets.token_hex(8))
    with _Keeper(folder, record, obeys=False):  # a stage's own file `stop` is its trainer's
        yield


class _Keeper:
    """Writes a run's record, renews it in a thread, and looks there for a wish to stop."""

    def __init__(self, run: Path, record: RunRecord, *, obeys: bool = True) -> None:
        self._run = run
        self._record = record
        self._obeys = obeys
        self._version: str | None = None
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="palo-record", daemon=True)

    def __enter__(self) -> "_Keeper":
        if isinstance(self._run, S3Path):
            self._version = _take_over(self._run, self._record)
        else:
            self._write()
        if self._obeys:  # a wish from before this attempt isn't for it
            (self._run / STOP).unlink(missing_ok=True)
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

    @property
    def record(self) -> RunRecord:
        """The record as it was last written."""
        return self._record

    def note(self, step: str) -> None:
        """Records what the run does now."""
        with self._turn:
            self._record = replace(self._record, step=step)
            self._write()

    def _write(self) -> None:
        """Writes the record.

        Raises:
            ResourceError: If another job has taken the run over.
            StorageError: If it can't be written.
        """
        self._record = replace(self._record, seen=time.time())
        if not isinstance(self._run, S3Path):
            storage.write_json(self._run / RECORD, config.to_dict(self._record))
            return
        path, data = self._run / RECORD, _bytes_of(self._record)
        while (version := write_if(path, data, self._version)) is None:
            # A request that seemed to fail may have written.
            found = read_versioned(path)
            other = None if found is None else _parsed(found.data)
            if found is not None and (other is None or other.owner != self._record.owner):
                raise _taken(self._run, other)
            self._version = None if found is None else found.version
        self._version = version

    def _renew(self) -> None:
        due = time.monotonic() + EVERY_S
        while not self._ended.wait(_LOOK_EVERY_S):
            try:
                if self._obeys and (self._run / STOP).exists():
                    (self._run / STOP).unlink(missing_ok=True)
                    _say("somebody asks this run to stop")
                    _interrupt()
                if time.monotonic() >= due:
                    due = time.monotonic() + EVERY_S
                    with self._turn:
                        self._write()
            except StorageError:  # the store is away: the training has its own patience with it
                continue
            except ResourceError as error:
                _say(f"error: {error}")
                _interrupt()
                return


_keepers: dict[Path, _Keeper] = {}


def _take_over(run: S3Path, record: RunRecord) -> str:
    """Makes a run on S3 this job's; returns the version of its record.

    Raises:
        ResourceError: If another job renews its record.
        StorageError: If the store refuses.
    """
    path = run / RECORD
    watched, until = "", 0.0
    while True:
        found = read_versioned(path)
        other = None if found is None else _parsed(found.data)
        if found is not None and other is not None and other.state == "running":
            if not watched:
                until = time.monotonic() + LOST_S
                if time.time() - other.seen <= _SURELY_LOST_S:
                    _say(f"a job on {other.machine} may still work in {run}: watching it")
            elif watched != found.version:
                raise _taken(run, other)
            watched = found.version
            if time.time() - other.seen <= _SURELY_LOST_S and time.monotonic() < until:
                time.sleep(_LOOK_EVERY_S)
                continue
        version = write_if(path, _bytes_of(record), None if found is None else found.version)
        if version is not None:
            return version


def _parsed(data: bytes) -> RunRecord | None:
    """Reads a record; None where it can't be one of a job that runs."""
    try:
        return config.from_dict(RunRecord, json.loads(data))
    except (ValueError, PaloError):
        return None


def _bytes_of(record: RunRecord) -> bytes:
    return (json.dumps(config.to_dict(record), indent=2, ensure_ascii=False) + "\n").encode()


def _taken(run: Path, other: RunRecord | None) -> ResourceError:
    seen = "" if other is None else f", by process {other.process} on {other.machine}"
    return ResourceError(
        "another job works in this run folder",
        seen=f"{run}{seen}",
        fix="Wait until it has ended, stop it with `python jobs/runs.py stop`, or name another "
        "folder with --output.",
    )


def _line_of(error: BaseException | None) -> str:
    text = str(error) if isinstance(error, PaloError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt() -> None:
    """Does what Ctrl-C does; a shell's background job, which ignores that, gets a SIGTERM."""
    handler: Callable[..., object] | int | None = signal.getsignal(signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT if callable(handler) else signal.SIGTERM)
