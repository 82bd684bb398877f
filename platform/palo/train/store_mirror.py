"""What a stage writes, as the job's process reads it: in place, or copied from S3 now and then."""

import tempfile
import threading
from pathlib import Path
from types import TracebackType

from palo import storage
from palo.errors import StorageError
from palo.storage import S3Path
from palo.train.stage_files import StageFiles
from palo.train.stages import StageJob

_LOOK_EVERY_S = 2.0


class StoreMirror:
    """Files of a running stage on this machine's disk. Use it as a context.

    Args:
        job: The stage.
        notes: File of an evaluation's notes, if there is one.

    Attributes:
        files: What the stage writes, on a disk.
        notes: File of the notes, on a disk; None without one.
    """

    files: StageFiles
    notes: Path | None

    def __init__(self, job: StageJob, notes: Path | None) -> None:
        files = job.files
        self._sources = [files.metrics, files.validations, files.events, files.ranks, files.facts]
        self._sources += [notes] if notes else []
        self._remote = isinstance(job.output, S3Path)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._stamps: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        if self._remote:
            self._folder = tempfile.TemporaryDirectory(prefix="palo-watch-")
            self.refresh()
        self.files = files if self._folder is None else StageFiles(Path(self._folder.name))
        self.notes = self._own(notes) if notes else None

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
