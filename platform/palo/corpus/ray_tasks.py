"""Runs the tasks of a build with Ray Data: small descriptions in, small results out.

Tasks and results are frozen dataclasses, and travel as JSON in Ray Data's rows; records, samples
and features go from the tasks to files, whole or not at all. A task that is retried writes the
same files, so that a lost worker costs its tasks and nothing else.

Light imports only: every worker process pays for them.
"""

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from palo.config import from_dict, to_dict
from palo.corpus.task_log import TaskEntry, TaskKey, begin, finish, finished
from palo.ray_errors import own_errors
from palo.roles import role_labels
from palo.sharing import check_here

if TYPE_CHECKING:
    from ray.data import Dataset

T = TypeVar("T")
R = TypeVar("R")

# A task keeps one CPU busy. With less, Ray would start more processes than there are CPUs, end the
# idle ones between two steps, and load everything again for the next.
_TASK_CPUS = 1


class Work(NamedTuple, Generic[R]):
    """The work of a task that is entered in the task log.

    Attributes:
        result: What it counted, a frozen dataclass.
        files: What it wrote, as paths in the corpus.
    """

    result: R
    files: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job(Generic[T]):
    """A task that is entered in the task log when it is done.

    Attributes:
        key: Its name and inputs.
        task: What to do.
    """

    key: TaskKey
    task: T


class Outcome(NamedTuple, Generic[R]):
    """The outcome of a job.

    Attributes:
        key: The task.
        result: What it counted.
        outputs: Size in bytes of each file that it wrote, by its path in the corpus.
        is_new: Whether it ran; False if it was done already.
    """

    key: TaskKey
    result: R
    outputs: Mapping[str, int]
    is_new: bool

    @classmethod
    def of(cls, key: TaskKey, entry: TaskEntry, kind: type[R], *, is_new: bool) -> "Outcome[R]":
        """Returns the outcome that a task's entry describes.

        Args:
            key: The task.
            entry: Its entry.
            kind: Type of its result.
            is_new: Whether it ran.
        """
        return cls(key, from_dict(kind, entry.result), entry.outputs, is_new)


def run_jobs(
    function: Callable[[T], Work[R]],
    jobs: Sequence[Job[T]],
    kind: type[R],
    *,
    again: bool = False,
) -> Iterator[Outcome[R]]:
    """Runs the jobs that are not done yet, in parallel, and enters them in the task log.

    Args:
        function: Takes a task, writes its outputs.
        jobs: What to do; tasks are configurations of one type.
        kind: Type of the function's result.
        again: Whether to run those that are done, too.

    Yields:
        The jobs that were done already, then the others in the order in which they finish.

    Raises:
        PaloError: If a task raised one.
    """
    missing: dict[TaskKey, T] = {}
    known = repeat(None) if again else finished(job.key for job in jobs)
    for job, entry in zip(jobs, known, strict=False):
        if entry is None:
            missing[job.key] = job.task
        else:
            yield Outcome.of(job.key, entry, kind, is_new=False)
    if not missing:
        return
    keys, task_kind = list(missing), type(next(iter(missing.values())))

    def run(row: dict[str, Any]) -> dict[str, Any]:
        check_here()
        key = from_dict(TaskKey, json.loads(row["key"]))
        begin(key)
        with _no_collection():
            result, files = function(from_dict(task_kind, json.loads(row["task"])))
        entry = finish(key, to_dict(result), files)
        return as_row({"number": row["number"], "entry": entry})

    rows = [
        {"number": number, "key": _text(key), "task": _text(missing[key])}
        for number, key in enumerate(keys)
    ]
    with own_errors():
        tasks = _dataset(rows, role_labels("data"))
        for done in results(tasks.map(run, num_cpus=_TASK_CPUS)):
            key, entry = keys[done["number"]], TaskEntry(*done["entry"])
            yield Outcome.of(key, entry, kind, is_new=True)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Turns the cyclic collector off: tasks make no cycles, and it costs a sixth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run_tasks(function: Callable[[T], object], tasks: Sequence[T]) -> Iterator[Any]:
    """Runs a function on tasks, in parallel, without the task log.

    Args:
        function: Takes a task, returns a dataclass or JSON values.
        tasks: Configurations of one type.

    Yields:
        What the function returned, as JSON values, in the order in which tasks finish.

    Raises:
        PaloError: If a task raised one.
    """
    if not tasks:
        return
    kind = type(tasks[0])

    def run(row: dict[str, Any]) -> dict[str, Any]:
        check_here()
        return as_row(function(from_dict(kind, json.loads(row["task"]))))

    with own_errors():
        made = dataset(tasks, role_labels("data"))
        yield from results(made.map(run, num_cpus=_TASK_CPUS))


def dataset(tasks: Sequence[object], node_labels: Mapping[str, str]) -> "Dataset":
    """Returns a dataset with one row, in a block of its own, for each task.

    Args:
        tasks: Configurations of one type.
        node_labels: Labels of the nodes that may work on it.
    """
    return _dataset([{"task": _text(task)} for task in tasks], node_labels)


def _dataset(rows: Sequence[dict[str, Any]], node_labels: Mapping[str, str]) -> "Dataset":
    import ray

    made = ray.data.from_items(list(rows), override_num_blocks=len(rows))
    # Not an option of each task: Ray Data asks the autoscaler for more nodes than its tasks need at
    # the moment, and would ask for any.
    made.context.execution_options.label_selector = dict(node_labels) or None
    return made


def _text(task: object) -> str:
    return json.dumps(to_dict(task))


def as_row(result: object) -> dict[str, Any]:
    """Packs the result of a task into a row.

    Args:
        result: A dataclass or JSON values.
    """
    return {"result": json.dumps(to_dict(result))}


def results(finished: "Dataset") -> Iterator[Any]:
    """Unpacks the rows of `as_row`.

    Args:
        finished: A dataset of such rows.

    Yields:
        The results, as JSON values.
    """
    for row in finished.iter_rows():
        yield json.loads(row["result"])
