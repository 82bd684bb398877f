"""Ends the start of workers that have lost a node, for which Ray Train would wait for minutes.

Ray Train looks after its workers once all of them have started. Until then it waits for each, and
Ray for a node on which a lost one could be started anew, or for room where a node was lost before.
An autoscaler may bring a node; nobody else will, and fewer workers may be enough.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from palo.capacity import RayCluster, Share, fitting
from palo.progress import duration

_LOOK_EVERY_S = 2.0
# Ray starts a lost worker anew within seconds where another node has room.
_HEALS_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerGroup:
    """Workers that were started together.

    Attributes:
        group: Id of the placement group that holds their resources.
        controller: Id of the actor that starts them and looks after them.
    """

    group: str
    controller: str


class WorkerGroups(Protocol):
    """The groups of workers of a job."""

    def without_node(self) -> set[WorkerGroup]:
        """Returns those that have lost a node and have got no other one yet."""

    def end(self, group: WorkerGroup) -> None:
        """Ends the workers and their controller, and gives their resources back.

        Args:
            group: The workers.
        """


class StartWatch:
    """While workers start, looks whether they have lost a node. Use it as a context.

    Args:
        groups: Those of this job.
        at_work: Returns whether the workers have started.
        say: Gets a line.
    """

    def __init__(
        self, groups: WorkerGroups, at_work: Callable[[], bool], say: Callable[[str], None]
    ) -> None:
        self._groups = groups
        self._at_work = at_work
        self._say = say
        self._ended = threading.Event()
        self._since: dict[WorkerGroup, float] = {}

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="palo-start", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()  # it isn't waited for: it may ask a head that is away

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S) and not self._at_work():
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Ends the start of workers that have lacked a node for ten seconds.

        Args:
            now: The time, in seconds.
        """
        found = self._groups.without_node()
        self._since = {group: self._since.get(group, now) for group in found}
        for group, since in self._since.items():
            if now - since >= _HEALS_S and not self._ended.is_set():
                waited = duration(now - since)
                self._say(
                    f"a node was lost while workers start, and there is no other for {waited}"
                )
                self._groups.end(group)
                self._ended.set()


@dataclass(frozen=True, slots=True)
class RayWorkerGroups:
    """The groups that actors of this process's job have made, as Ray Train does. Ray must run.

    Attributes:
        share: What the workers need, for all of which there was room before.
    """

    share: Share

    def without_node(self) -> set[WorkerGroup]:
        """See WorkerGroups.without_node."""
        import ray
        from ray._private.state import state
        from ray.core.generated.gcs_pb2 import PlacementGroupTableData
        from ray.exceptions import RayError

        try:
            # Not ray.util.placement_group_table, which doesn't tell whose a group is.
            table = state._connect_and_get_accessor().get_placement_group_table()
            has_room = fitting(self.share, RayCluster()) >= self.share.count
        except RayError:  # the head is away, and the next look makes up for it
            return set()
        rows = [PlacementGroupTableData.FromString(row) for row in table]
        lacking = {PlacementGroupTableData.RESCHEDULING}
        if not has_room:
            lacking.add(PlacementGroupTableData.PENDING)
        job = ray.get_runtime_context().get_job_id()
        nobody = ray.ActorID.nil().binary()  # the job's own process makes groups to wait for room
        return {
            WorkerGroup(group=row.placement_group_id.hex(), controller=row.creator_actor_id.hex())
            for row in rows
            if row.state in lacking
            and row.creator_job_id.hex() == job
            and row.creator_actor_id != nobody
        }

    def end(self, group: WorkerGroup) -> None:
        """See WorkerGroups.end.

        Giving the resources back isn't enough: Ray goes on waiting for a worker without a node.
        Ending the controller isn't either: Ray keeps the resources until the job ends.

        Args:
            group: The workers.
        """
        import ray
        from ray._private.worker import global_worker
        from ray.util.placement_group import PlacementGroup, remove_placement_group

        # Not ray.kill, which wants the handle that Ray Train keeps to itself.
        controller = ray.ActorID(bytes.fromhex(group.controller))
        global_worker.core_worker.kill_actor(controller, no_restart=True)
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(group.group))))
