"""The task log of a build: an entry for each finished task, written after its outputs.

    <corpus>/done/<step>/<name>.json   {"inputs", "result", "outputs": {file: size in bytes}}

A task is a pure function of its inputs. If its entry has the same inputs and its outputs are whole
it need not run again: an interrupted build resumes, and a new source costs only its own tasks. A
task deletes its old entry before it writes, so that no entry describes outputs of other inputs.
"""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from palo import storage

OUTPUTS = ("records", "signatures", "decisions", "samples", "quarantine")
"""Folders of a corpus whose every file belongs to the build."""

_FOLDER = "done"
_READERS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskKey:
    """The key of a task.

    Attributes:
        corpus: Folder of the corpus.
        step: Name of the step.
        name: Name of the task, unique in its step; slashes make folders.
        inputs: Fingerprint of all that the task's outputs depend on.
    """

    corpus: Path
    step: str
    name: str
    inputs: str

    @property
    def path(self) -> Path:
        """The file of its entry."""
        return self.corpus / _FOLDER / self.step / f"{self.name}.json"


class TaskEntry(NamedTuple):
    """The entry of a finished task.

    Attributes:
        result: What it counted, as JSON values.
        outputs: Size in bytes of each file that it wrote, by its path in the corpus.
    """

    result: Any
    outputs: Mapping[str, int]


def begin(key: TaskKey) -> None:
    """Deletes a task's old entry, before anything is written.

    Args:
        key: The task.
    """
    storage.remove(key.path)


def finish(key: TaskKey, result: object, files: Iterable[str]) -> TaskEntry:
    """Writes a task's entry, after all of its outputs.

    Args:
        key: The task.
        result: What it counted, as JSON values.
        files: What it wrote, as paths in the corpus.

    Returns:
        The entry.

    Raises:
        StorageError: If it can't be written.
    """
    outputs = {file: (key.corpus / file).stat().st_size for file in files}
    entry = {"inputs": key.inputs, "result": result, "outputs": outputs}
    storage.write_text(key.path, json.dumps(entry, ensure_ascii=False))
    return TaskEntry(result, outputs)


def finished(keys: Iterable[TaskKey]) -> Iterator[TaskEntry | None]:
    """Reads the entries of tasks.

    Args:
        keys: The tasks.

    Yields:
        The entry of each task in order, None if it must run.
    """
    sizes = _Sizes()
    with ThreadPoolExecutor(_READERS) as pool:
        yield from pool.map(lambda key: _read(key, sizes), keys)


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


def _read(key: TaskKey, sizes: _Sizes) -> TaskEntry | None:
    if sizes.of(key.path) is None:
        return None
    try:
        values = json.loads(storage.read_text(key.path))
    except (ValueError, RecursionError):  # a damaged entry costs its task
        return None
    if values.get("inputs") != key.inputs:
        return None
    outputs: dict[str, int] = values["outputs"]
    whole = all(sizes.of(key.corpus / file) == size for file, size in outputs.items())
    return TaskEntry(values["result"], outputs) if whole else None


def sweep(corpus: Path, keys: Iterable[TaskKey], files: Iterable[str]) -> int:
    """Deletes every entry and every output that doesn't belong to the build.

    Args:
        corpus: Folder of the corpus.
        keys: All tasks of the build.
        files: All files of the build, as paths in the corpus.

    Returns:
        The number of files that were deleted.
    """
    wanted = {key.path for key in keys} | {corpus / file for file in files}
    steps = {key.step for key in keys}
    count = 0
    for folder in (*(corpus / _FOLDER / step for step in steps), *(corpus / n for n in OUTPUTS)):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path not in wanted:
                storage.remove(path)
                count += 1
    return count


def task_name(records: str) -> str:
    """Returns the name of the tasks on a file of records: source and row offset.

    Args:
        records: The file of records, as a path in the corpus.
    """
    return records.removeprefix("records/").removesuffix(".parquet")
