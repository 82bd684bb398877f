"""Running the steps of a build with Ray Data: small descriptions in, small results out.

The rows that Ray Data moves say what to do and what became of it; records, samples and features go
from the tasks to files, whole or not at all. A task that is tried again writes the same files
again, so a lost worker costs its tasks and nothing else.

Light imports only: every worker process pays for them.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from palo.config import from_dict, to_dict
from palo.data.ray_errors import own_errors

if TYPE_CHECKING:
    from ray.data import Dataset

T = TypeVar("T")

TASK_CPUS = 0.5


def run_tasks(function: Callable[[T], dict[str, Any]], tasks: Sequence[T]) -> Iterator[Any]:
    """Runs a function on many tasks, in parallel.

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
        yield from results(dataset(tasks).map(run, num_cpus=TASK_CPUS))


def dataset(tasks: Sequence[object]) -> "Dataset":
    """Returns a dataset with one row, in a block of its own, for each task."""
    import ray

    rows = [{"task": json.dumps(to_dict(task))} for task in tasks]
    return ray.data.from_items(rows, override_num_blocks=len(rows))


def as_row(result: dict[str, Any]) -> dict[str, Any]:
    """Packs what a task returns into a row."""
    return {"result": json.dumps(result)}


def results(finished: "Dataset") -> Iterator[Any]:
    """Yields what tasks packed with `as_row`."""
    for row in finished.iter_rows():
        yield json.loads(row["result"])
