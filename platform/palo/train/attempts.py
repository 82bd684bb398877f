"""The attempts of one stage: again after a lost worker, with fewer workers, and back to all.

Every attempt resumes from the newest checkpoint, which any number of workers can load.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from palo.capacity import CapacityRequest
from palo.errors import ResourceError, StorageError
from palo.train.stages import WorkerSettings

_LOOK_EVERY_S = 2.0
# A cluster needs half a minute to notice that a node is gone, and may choose it until then.
_LEAST_WAIT_S = 30.0
_RESUME = (
    "Run the same command again when it has: the last checkpoint is kept. workers.least goes on "
    "with fewer, workers.wait_s waits longer."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What the attempts of a stage need of it.

    Attributes:
        workers: The workers' settings.
        fit: Runs an attempt on so many workers, with its number from 0, to its end.
        await_room: Waits until the cluster has room for so many workers, so long in seconds at
            most, and raises a ResourceError if it doesn't; returns at once when the job is stopped.
        ask_for: Asks the cluster for room for so many more workers.
        progress: Returns what changes when workers are at work; None if that isn't known now.
        is_finished: Returns whether the stage's result is written.
        ask_to_stop: Asks the workers to save a checkpoint and end.
        lost_worker: Returns whether an error comes from a lost process or node.
        preempted: Returns whether an error comes from a node that the cluster takes away.
        reason: Returns what an error says, in one line.
        say: Gets lines for people.
    """

    workers: WorkerSettings
    fit: Callable[[int, int], None]
    await_room: Callable[[int, float], None]
    ask_for: Callable[[int], CapacityRequest]
    progress: Callable[[], object]
    is_finished: Callable[[], bool]
    ask_to_stop: Callable[[], None]
    lost_worker: Callable[[BaseException], bool]
    preempted: Callable[[BaseException], bool]
    reason: Callable[[BaseException], str]
    say: Callable[[str], None]


def run_attempts(stage: Stage, first: int, stopping: threading.Event) -> None:
    """Runs a stage until it is finished, stopped, or can't go on.

    A lost worker is replaced `workers.max_failures` times; notices of preemption don't count.

    Args:
        stage: The stage.
        first: Workers to begin with, for which the cluster has room.
        stopping: Set when the job was asked to stop: no other attempt begins then.

    Raises:
        ResourceError: If the cluster has no room for a replacement, for `workers.wait_s`.
        Exception: What an attempt raised, if another one wouldn't help.
    """
    failures = number = 0
    count = first
    while not stopping.is_set():
        if number or count < stage.workers.count:
            stage.say(f"starting {count} of {stage.workers.count} workers, attempt {number + 1}")
        try:
            with _Growth(stage, count) as growth:
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
        count = _await_room(stage, stopping)


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


def _await_room(stage: Stage, stopping: threading.Event) -> int:
    """Waits until the cluster has room for all workers, and else takes as many as it has room for.

    Raises:
        ResourceError: If that is too few.
    """
    wait_s = max(stage.workers.wait_s, _LEAST_WAIT_S)
    missing: ResourceError | None = None
    for size in sizes(stage.workers):
        try:
            if not stopping.is_set():
                stage.await_room(size, wait_s)
            return size
        except ResourceError as error:
            missing = error
        wait_s = _LEAST_WAIT_S
    assert missing is not None
    raise ResourceError(missing.fact, seen=missing.seen, fix=_RESUME) from missing


class _Growth:
    """While a stage runs on fewer workers: asks the cluster for the rest, then the stage to stop.

    The cluster is asked all the time, so that an autoscaler starts a node. What it counts isn't
    asked: it counts a lost node for a while. Nothing is asked before the workers are at work, whose
    own room would be taken.
    """

    def __init__(self, stage: Stage, count: int) -> None:
        self.asked = False
        self._stage = stage
        self._missing = stage.workers.count - count
        self._before = stage.progress() if self._missing else None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="palo-growth", daemon=True)

    def __enter__(self) -> "_Growth":
        if self._missing:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._missing:
            self._thread.join()  # what it asked for is released by then

    def _look(self) -> None:
        stage = self._stage
        while stage.progress() in (None, self._before):
            if self._ended.wait(_LOOK_EVERY_S):
                return
        request = stage.ask_for(self._missing)
        try:
            while not self._ended.is_set():
                if request.is_there(_LOOK_EVERY_S) and not self._is_over():
                    stage.say(f"the cluster has room for {stage.workers.count} workers again")
                    self.asked = True
                    stage.ask_to_stop()
                    return
        finally:
            request.release()

    def _is_over(self) -> bool:
        """Returns whether the stage itself makes the room, with its end."""
        try:
            return self._stage.is_finished()
        except StorageError:  # a worker says that the store is away
            return False
