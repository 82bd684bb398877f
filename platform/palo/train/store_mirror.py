"""What a stage writes, as the job's process reads it: in place, or copied from S3 now and then."""

import tempfile
import threading
from pathlib import Path
from types import TracebackType

from palo import storage
from palo.errors import StorageError
from palo.storage import S3Path
from palo.train.eval_callback import read_notes
from palo.train.stages import StageJob

_LOOK_EVERY_S = 2.0


class StoreMirror:
    """Files of a running stage on this machine's disk. Use it as a context.

    Args:
        job: The stage.
        notes: File of an evaluation's notes, if there is one.

    Attributes:
        metrics: File of the metrics, on a disk.
        notes: File of the notes, on a disk; None without one.
    """

    metrics: Path
    notes: Path | None

    def __init__(self, job: StageJob, notes: Path | None) -> None:
        self._sources = [job.metrics, job.events, *([notes] if notes else [])]
        self._remote = isinstance(job.output, S3Path)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._stamps: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        if self._remote:
            self._folder = tempfile.TemporaryDirectory(prefix="palo-watch-")
            self.refresh()
        self.metrics, self._events = self._own(job.metrics), self._own(job.events)
        self.notes = self._own(notes) if notes else None
        self._told = len(read_notes(self._events))

    def __enter__(self) -> "StoreMirror":
        if self._remote:
            threading.Thread(target=self._look, name="palo-watch", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._folder is not None:
            with self._lock:
                self._folder.cleanup()

    def new_events(self) -> list[str]:
        """Returns the notes of events since the last call, each once."""
        notes = read_notes(self._events)
        new, self._told = notes[self._told :], len(notes)
        return new

    def refresh(self) -> None:
        """Copies what has changed in the store; leaves it as it is while the store is away."""
        if not self._remote or self._ended.is_set():
            return
        with self._lock:
            for source in self._sources:
                try:
                    stamp = source.stat().st_mtime_ns
                    if self._stamps.get(source) != stamp:
                        storage.copy_file(source, self._own(source))
                        self._stamps[source] = stamp
                except (FileNotFoundError, StorageError):  # a worker says that it is away
                    continue

    def _own(self, source: Path) -> Path:
        return source if self._folder is None else Path(self._folder.name) / source.name

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            self.refresh()
