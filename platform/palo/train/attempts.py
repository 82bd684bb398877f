"""The attempts of one stage: again after a lost worker, with fewer workers, and back to all.

Every attempt resumes from the newest checkpoint, which any number of workers can load.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from palo.errors import ResourceError
from palo.progress import duration
from palo.train.stages import WorkerSettings

_LOOK_EVERY_S = 2.0
_SAY_EVERY_S = 30.0
# A cluster needs half a minute to notice that a node is gone, and counts it until then.
_LEAST_WAIT_S = 30.0
_STEADY_S = 45.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What the attempts of a stage need of it.

    Attributes:
        workers: The workers' settings.
        fit: Runs an attempt on so many workers, with its number from 0, to its end.
        capacity: Returns how many workers the cluster's nodes can hold, as it counts them.
        has_room: Returns whether it can place so many workers now, which no lost node can feign.
        is_finished: Returns whether the stage's result is written.
        ask_to_stop: Asks the workers to save a checkpoint and end.
        lost_worker: Returns whether an error comes from a lost process or node.
        preempted: Returns whether an error comes from a node that the cluster takes away.
        reason: Returns what an error says, in one line.
        say: Gets lines for people.
    """

    workers: WorkerSettings
    fit: Callable[[int, int], None]
    capacity: Callable[[], int]
    has_room: Callable[[int], bool]
    is_finished: Callable[[], bool]
    ask_to_stop: Callable[[], None]
    lost_worker: Callable[[BaseException], bool]
    preempted: Callable[[BaseException], bool]
    reason: Callable[[BaseException], str]
    say: Callable[[str], None]


def run_attempts(
    stage: Stage, stopping: threading.Event, look_every_s: float = _LOOK_EVERY_S
) -> None:
    """Runs a stage until it is finished, stopped, or can't go on.

    A lost worker is replaced `workers.max_failures` times; notices of preemption don't count.

    Args:
        stage: The stage.
        stopping: Set when the job was asked to stop: no other attempt begins then.
        look_every_s: Seconds between looks at the cluster.

    Raises:
        ResourceError: If the cluster can't hold enough workers within `workers.wait_s`.
        Exception: What an attempt raised, if another one wouldn't help.
    """
    failures = number = 0
    while True:
        first = number == 0
        count = _count(stage, stopping, look_every_s, first=first)
        if count == 0 or stopping.is_set():
            return
        if not first or count < stage.workers.count:
            stage.say(f"starting {count} of {stage.workers.count} workers, attempt {number + 1}")
        try:
            with _Growth(stage, count, look_every_s) as growth:
                stage.fit(count, number)
        except Exception as error:
            if stage.preempted(error):
                stage.say("a node is taken away; resuming from the newest checkpoint")
            elif failures == stage.workers.max_failures or not stage.lost_worker(error):
                raise
            else:
                failures += 1
                stage.say(
                    f"a worker was lost ({failures} of {stage.workers.max_failures}), resuming "
                    f"from the newest checkpoint: {stage.reason(error)}"
                )
        else:
            if stage.is_finished() or not growth.asked:
                return
        number += 1


def sizes(workers: WorkerSettings) -> Iterator[int]:
    """Yields the numbers of workers that a stage may run on, the largest first.

    Args:
        workers: The workers' settings.
    """
    least = workers.count if workers.least is None else workers.least
    size = workers.count
    while size > least:
        yield size
        size //= 2
    yield least


def _fitting(stage: Stage, capacity: int) -> int:
    """Returns the largest size that the cluster can place; 0 if none."""
    fitting = (size for size in sizes(stage.workers) if size <= capacity)
    return next((size for size in fitting if stage.has_room(size)), 0)


def _count(stage: Stage, stopping: threading.Event, look_every_s: float, *, first: bool) -> int:
    """Returns with how many workers to start; waits where the cluster can't hold all.

    Raises:
        ResourceError: If it can't hold enough of them in time.
    """
    workers = stage.workers
    began = time.monotonic()
    wait_s = workers.wait_s if first else max(workers.wait_s, _LEAST_WAIT_S)
    say_at = began
    while not stopping.is_set():
        capacity = stage.capacity()
        now = time.monotonic()
        # The first attempt needs no proof: its workers' start would tell.
        if capacity >= workers.count and (first or stage.has_room(workers.count)):
            return workers.count
        if now - began >= wait_s:
            if size := _fitting(stage, capacity):
                return size
            raise ResourceError(
                f"the cluster can't hold {min(sizes(workers))} training workers",
                seen=f"{capacity} after a wait of {duration(now - began)}",
                fix="Run the same command again when it can: the last checkpoint is kept. "
                "workers.least goes on with fewer, workers.wait_s waits longer.",
            )
        if now >= say_at:
            say_at = now + _SAY_EVERY_S
            stage.say(
                f"the cluster has no room for {workers.count} workers, and counts {capacity}; "
                f"waiting, up to {duration(began + wait_s - now)} more"
            )
        stopping.wait(look_every_s)
    return 0


class _Growth:
    """While a stage runs on fewer workers: asks it to stop when the cluster can hold all."""

    def __init__(self, stage: Stage, count: int, look_every_s: float) -> None:
        self.asked = False
        self._stage = stage
        self._count = count
        self._look_every_s = look_every_s
        self._ended = threading.Event()

    def __enter__(self) -> "_Growth":
        if self._count < self._stage.workers.count:
            threading.Thread(target=self._look, name="palo-growth", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _look(self) -> None:
        stage = self._stage
        since: float | None = None
        while not self._ended.wait(self._look_every_s):
            now = time.monotonic()
            if stage.capacity() < stage.workers.count:
                since = None
                continue
            since = now if since is None else since
            if now - since >= _STEADY_S:
                stage.say(f"the cluster can hold {stage.workers.count} workers again")
                self.asked = True
                stage.ask_to_stop()
                return
