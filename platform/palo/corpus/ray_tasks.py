"""Running the steps of a build with Ray Data: small descriptions in, small results out.

The rows that Ray Data moves say what to do and what became of it; records, samples and features go
from the tasks to files, whole or not at all. A task that is tried again writes the same files
again, so a lost worker costs its tasks and nothing else.

Light imports only: every worker process pays for them.
"""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from palo.config import from_dict, to_dict
from palo.corpus.task_log import TaskEntry, TaskKey, begin, finish, finished
from palo.ray_errors import own_errors

if TYPE_CHECKING:
    from ray.data import Dataset

T = TypeVar("T")

# A task keeps one CPU busy. With less, Ray would start more processes than there are CPUs, end the
# idle ones between two steps, and load everything again for the next.
_TASK_CPUS = 1


class Work(NamedTuple):
    """What a task returns that is entered in the ledger.

    Attributes:
        result: What it counted, as JSON values.
        files: What it wrote, as paths in the corpus.
    """

    result: Any
    files: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job(Generic[T]):
    """A task that is entered in the ledger when it is done.

    Attributes:
        ticket: Its name, and what it depends on.
        task: What to do.
    """

    ticket: TaskKey
    task: T


class Outcome(NamedTuple):
    """What became of a job.

    Attributes:
        ticket: Its name.
        entry: What it left.
        is_new: Whether it ran; False if it was done already.
    """

    ticket: TaskKey
    entry: TaskEntry
    is_new: bool


def run_jobs(
    function: Callable[[T], Work], jobs: Sequence[Job[T]], *, again: bool = False
) -> Iterator[Outcome]:
    """Runs what is not done yet, in parallel, and enters it in the ledger.

    Args:
        function: Takes a task, writes its outputs.
        jobs: What to do; tasks are configurations of one type.
        again: Run all of them, also those that are done.

    Yields:
        What was done already, then what is done now in the order in which it gets finished.

    Raises:
        PaloError: If a task raised one.
    """
    missing: dict[TaskKey, T] = {}
    known = repeat(None) if again else finished(job.ticket for job in jobs)
    for job, entry in zip(jobs, known, strict=False):
        if entry is None:
            missing[job.ticket] = job.task
        else:
            yield Outcome(job.ticket, entry, is_new=False)
    if not missing:
        return
    tickets, kind = list(missing), type(next(iter(missing.values())))

    def run(row: dict[str, Any]) -> dict[str, Any]:
        ticket = from_dict(TaskKey, json.loads(row["ticket"]))
        begin(ticket)
        with _no_collection():
            result, files = function(from_dict(kind, json.loads(row["task"])))
        entry = finish(ticket, result, files)
        return as_row({"number": row["number"], "entry": entry})

    rows = [
        {"number": number, "ticket": _text(ticket), "task": _text(missing[ticket])}
        for number, ticket in enumerate(tickets)
    ]
    with own_errors():
        for done in results(_dataset(rows).map(run, num_cpus=_TASK_CPUS)):
            yield Outcome(tickets[done["number"]], TaskEntry(*done["entry"]), is_new=True)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leaves cyclic garbage alone: none is made, and to look for it costs a sixth of a task."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run_tasks(function: Callable[[T], dict[str, Any]], tasks: Sequence[T]) -> Iterator[Any]:
    """Runs a function on many tasks, in parallel, whether it was done before or not.

    Args:
        function: Takes a task and returns JSON values.
        tasks: Configurations of one type, which tell what to do.

    Yields:
        What the function returned, in the order in which tasks finish.

    Raises:
        PaloError: If a task raised one.
    """
    if not tasks:
        return
    kind = type(tasks[0])

    def run(row: dict[str, Any]) -> dict[str, Any]:
        return as_row(function(from_dict(kind, json.loads(row["task"]))))

    with own_errors():
        yield from results(dataset(tasks).map(run, num_cpus=_TASK_CPUS))


def dataset(tasks: Sequence[object]) -> "Dataset":
    """Returns a dataset with one row, in a block of its own, for each task."""
    return _dataset([{"task": _text(task)} for task in tasks])


def _dataset(rows: Sequence[dict[str, Any]]) -> "Dataset":
    import ray

    return ray.data.from_items(list(rows), override_num_blocks=len(rows))


def _text(task: object) -> str:
    return json.dumps(to_dict(task))


def as_row(result: object) -> dict[str, Any]:
    """Packs what a task returns into a row."""
    return {"result": json.dumps(result)}


def results(finished: "Dataset") -> Iterator[Any]:
    """Yields what tasks packed with `as_row`."""
    for row in finished.iter_rows():
        yield json.loads(row["result"])
