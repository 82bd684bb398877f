"""What a build has finished: an entry for each task, written after all that the task wrote.

    <corpus>/done/<step>/<name>.json   {"key", "result", "outputs": {file: size in bytes}}

A task is a pure function of what its key names. Where its entry has the same key and its outputs
are whole it need not run again: a build that was killed goes on, and a source that is added later
costs itself alone. A task takes its old entry back before it writes, so that no entry ever stands
beside outputs of another key.
"""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from palo import storage

OUTPUTS = ("records", "signatures", "samples", "quarantine")
"""Folders of a corpus whose every file belongs to a task."""

_FOLDER = "done"
_READERS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskKey:
    """What names a task.

    Attributes:
        corpus: Folder of the corpus.
        step: Name of the step.
        name: Name of the task, unique in its step; slashes make folders.
        key: Names all that the task's outputs depend on.
    """

    corpus: Path
    step: str
    name: str
    key: str

    @property
    def path(self) -> Path:
        """Where its entry lies."""
        return self.corpus / _FOLDER / self.step / f"{self.name}.json"


class TaskEntry(NamedTuple):
    """What a finished task left.

    Attributes:
        result: What it counted, as JSON values.
        outputs: Size in bytes of each file that it wrote, by its path in the corpus.
    """

    result: Any
    outputs: Mapping[str, int]


def begin(ticket: TaskKey) -> None:
    """Takes a task's old entry back, before anything is written."""
    storage.remove(ticket.path)


def finish(ticket: TaskKey, result: object, files: Iterable[str]) -> TaskEntry:
    """Writes a task's entry, after all of its outputs.

    Args:
        ticket: The task.
        result: What it counted, as JSON values.
        files: What it wrote, as paths in the corpus.
    """
    outputs = {file: (ticket.corpus / file).stat().st_size for file in files}
    entry = {"key": ticket.key, "result": result, "outputs": outputs}
    storage.write_text(ticket.path, json.dumps(entry, ensure_ascii=False))
    return TaskEntry(result, outputs)


def finished(tickets: Iterable[TaskKey]) -> Iterator[TaskEntry | None]:
    """Yields the entry of each task in order, None where it must run."""
    sizes = _Sizes()
    with ThreadPoolExecutor(_READERS) as pool:
        yield from pool.map(lambda ticket: _read(ticket, sizes), tickets)


class _Sizes:
    """Lists each folder once, however many files of it are asked for."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, int]] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> int | None:
        with self._lock:
            sizes = self._folders.get(path.parent)
            if sizes is None:
                sizes = self._folders[path.parent] = storage.file_sizes(path.parent)
        return sizes.get(path.name)


def _read(ticket: TaskKey, sizes: _Sizes) -> TaskEntry | None:
    if sizes.of(ticket.path) is None:
        return None
    try:
        values = json.loads(storage.read_text(ticket.path))
    except (ValueError, RecursionError):  # a damaged entry costs its task
        return None
    if values["key"] != ticket.key:
        return None
    outputs: dict[str, int] = values["outputs"]
    whole = all(sizes.of(ticket.corpus / file) == size for file, size in outputs.items())
    return TaskEntry(values["result"], outputs) if whole else None


def sweep(corpus: Path, tickets: Iterable[TaskKey], files: Iterable[str]) -> int:
    """Deletes every entry and every output that belongs to no task.

    Args:
        corpus: Folder of the corpus.
        tickets: All tasks of the build.
        files: All that they wrote, as paths in the corpus.

    Returns:
        How many files were deleted.
    """
    wanted = {ticket.path for ticket in tickets} | {corpus / file for file in files}
    steps = {ticket.step for ticket in tickets}
    count = 0
    for folder in (*(corpus / _FOLDER / step for step in steps), *(corpus / n for n in OUTPUTS)):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path not in wanted:
                storage.remove(path)
                count += 1
    return count
