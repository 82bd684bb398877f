"""Waiting until a cluster has what some equal workers need, with messages, and leaving no trace.

What is missing is asked for by a placement group. The autoscaler starts nodes for it, of the right
kind and with the right labels, and Ray removes it with the job however that ends. A request of
`ray.autoscaler.sdk.request_resources` would outlive the job, and Ray Train and Ray Data, which make
requests of their own, replace it every 20 seconds.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from palo.errors import ResourceError
from palo.progress import duration

WAIT_S = 1800.0
"""How long a cluster may take to start nodes, if nothing else is said, in seconds."""
_LOOK_EVERY_S = 2.0
_SAY_EVERY_S = 30.0
_KIND = "accelerator_type:"
_KIND_SHARE = 0.001  # what Ray itself takes of it for each worker
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What some equal workers take of a cluster.

    Attributes:
        workers: What they are, in the plural, for people.
        count: How many.
        cpus: Logical CPUs of each.
        gpus: GPUs of each.
        gpu_kind: Ray's name of the kind of GPU, such as A100; None takes any.
        node_labels: Labels of the nodes that may hold them, by name.
    """

    workers: str
    count: int
    cpus: float = 1.0
    gpus: float = 0.0
    gpu_kind: str | None = None
    node_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def bundle(self) -> dict[str, float]:
        """Ray's resources of one worker."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        if self.gpus and self.gpu_kind:
            wanted[_KIND + self.gpu_kind] = _KIND_SHARE
        return {name: amount for name, amount in wanted.items() if amount}

    @property
    def needs(self) -> str:
        """What one worker needs, in words."""
        needs = [_amount(self.cpus, "CPU")] if self.cpus else []
        if self.gpus:
            kind = f" ({self.gpu_kind})" if self.gpu_kind else ""
            needs.append(_amount(self.gpus, "GPU") + kind)
        text = " and ".join(needs) or "no CPU"
        labels = ", ".join(f"{name}={value}" for name, value in self.node_labels.items())
        return f"{text}, on nodes with {labels}" if labels else text

    def __str__(self) -> str:
        return f"{self.count} {self.workers}, each with {self.needs}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A node that is up.

    Attributes:
        resources: Amounts of its resources by Ray's names, used or not.
        labels: Its labels.
    """

    resources: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)

    def holds(self, share: Share) -> int:
        """Returns how many of the workers would fit if nothing else ran here.

        Args:
            share: The workers.
        """
        if any(self.labels.get(name) != value for name, value in share.node_labels.items()):
            return 0
        room = [
            int(self.resources.get(name, 0.0) / amount + _ROUNDING)
            for name, amount in share.bundle.items()
        ]
        return min(room, default=share.count)

    @property
    def gpu_kinds(self) -> tuple[str, ...]:
        """Ray's names of the kinds of its GPUs."""
        found = (name.removeprefix(_KIND) for name in self.resources if name.startswith(_KIND))
        return tuple(found) if self.resources.get("GPU") else ()


class CapacityRequest(Protocol):
    """Resources that were asked for; nodes come up for them until they are there."""

    def is_there(self, timeout_s: float) -> bool:
        """Returns whether all are there, after waiting for it.

        Args:
            timeout_s: How long to wait at most, in seconds.
        """

    def release(self) -> None:
        """Gives them back, or stops asking; a second time does nothing."""


class Cluster(Protocol):
    """A cluster, as much of it as waiting needs."""

    @property
    def can_grow(self) -> bool:
        """Whether nodes may join."""

    def nodes(self) -> Sequence[Node]:
        """Returns the nodes that are up."""

    def reserve(self, share: Share) -> CapacityRequest:
        """Asks for resources.

        Args:
            share: The workers that need them.
        """


def never() -> bool:
    """Returns False: nobody asks to give up waiting."""
    return False


def await_capacity(
    share: Share,
    cluster: Cluster,
    wait_s: float,
    say: Callable[[str], None],
    fix: str,
    give_up: Callable[[], bool] = never,
) -> None:
    """Waits until the cluster has room for workers; asks the autoscaler for the nodes meanwhile.

    It asks all the time, so that a node that is slow to come up is not given up and asked for anew.
    On a private Ray nothing is waited for: no node will join it.

    Args:
        share: The workers.
        cluster: The cluster.
        wait_s: How long to wait at most, in seconds; 0 doesn't wait.
        say: Takes lines about the waiting.
        fix: What the user can change if it takes too long, as a sentence.
        give_up: Returns whether the waiting shall end at once, without room and without an error.

    Raises:
        ResourceError: If there is no room for all that time.
    """
    if not cluster.can_grow or wait_s <= 0:
        if fitting(share, cluster) < share.count:
            raise _no_room(share, cluster, fix)
        return
    began = time.monotonic()
    say_at = began + _LOOK_EVERY_S  # what is there already needs no word
    reservation = cluster.reserve(share)
    try:
        while not reservation.is_there(_LOOK_EVERY_S) and not give_up():
            now = time.monotonic()
            if now - began >= wait_s:
                raise _no_room(share, cluster, fix, waited_s=now - began)
            if now >= say_at:
                say(f"waiting for {missing(share, cluster)}; {_spent(now - began, wait_s)}")
                say_at = now + _SAY_EVERY_S
    finally:
        reservation.release()


def choose_kind(
    kinds: Sequence[str],
    cluster: Cluster,
    count: int,
    gpus: float = 1.0,
    node_labels: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Chooses one kind of GPU for all workers, so that a step waits for no slower kind.

    Args:
        kinds: Kinds that will do, the best first; none takes any.
        cluster: The cluster.
        count: Number of workers.
        gpus: GPUs of each.
        node_labels: Labels of the nodes that may hold them.

    Returns:
        The first kind of which enough is there, else the first that is there at all, else the first
        of all: the autoscaler is asked for that one. None if any will do.
    """
    nodes = cluster.nodes()
    for least in (count, 1):
        for kind in kinds:
            share = Share(
                workers="",
                count=count,
                cpus=0.0,
                gpus=gpus,
                gpu_kind=kind,
                node_labels=node_labels,
            )
            if sum(node.holds(share) for node in nodes) >= least:
                return kind
    return kinds[0] if kinds else None


def fitting(share: Share, cluster: Cluster) -> int:
    """Returns how many of the workers would fit on the nodes that are up if nothing else ran there.

    Args:
        share: The workers.
        cluster: The cluster.
    """
    return sum(node.holds(share) for node in cluster.nodes())


def missing(share: Share, cluster: Cluster) -> str:
    """Describes what is wanted and what is there.

    Args:
        share: The workers that need it.
        cluster: The cluster.
    """
    return f"{share}: {_room(share, cluster)}"


def _room(share: Share, cluster: Cluster) -> str:
    """Describes what is there of what is wanted."""
    room = fitting(share, cluster)
    if room >= share.count:
        return "its nodes are in use, or one has just been lost"
    return f"room for {room}, {share.count - room} missing ({_there(cluster)})"


def _there(cluster: Cluster) -> str:
    nodes = cluster.nodes()
    total = {name: sum(node.resources.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU")}
    kinds = sorted({kind for node in nodes for kind in node.gpu_kinds})
    gpus = _amount(total["GPU"], "GPU") + (f" ({', '.join(kinds)})" if kinds else "")
    return f"{_amount(len(nodes), 'node')}: {_amount(total['CPU'], 'CPU')}, {gpus}"


def _amount(count: float, unit: str) -> str:
    return f"{count:g} {unit}" if count == 1 else f"{count:g} {unit}s"


def _spent(waited_s: float, wait_s: float) -> str:
    return f"{duration(waited_s)} of at most {duration(wait_s)}"


def _no_room(
    share: Share, cluster: Cluster, fix: str, waited_s: float | None = None
) -> ResourceError:
    waited = f" after {duration(waited_s)}" if waited_s is not None else ""
    return ResourceError(
        f"the cluster has no room for {share.count} {share.workers}{waited}",
        seen=f"each needs {share.needs}; {_room(share, cluster)}",
        fix=fix,
    )


@dataclass(frozen=True, slots=True)
class RayCluster:
    """The cluster that this process is connected to."""

    @property
    def can_grow(self) -> bool:
        """Whether it is a cluster that was joined, and no private Ray."""
        return os.environ.get("RAY_ADDRESS", "").strip() not in ("", "local")

    def nodes(self) -> list[Node]:
        """Returns the nodes that are up and stay."""
        import ray
        from ray._private.state import state

        leaving = state.get_draining_nodes()
        return [
            Node(resources=node["Resources"], labels=node.get("Labels") or {})
            for node in ray.nodes()
            if node["Alive"] and node["NodeID"] not in leaving
        ]

    def most(self) -> Mapping[str, float]:
        """Returns the resources that the cluster may grow to, by Ray's names.

        They are the autoscaler's limits; where none tells, there are none.
        """
        from ray._private.state import state

        return state.get_max_resources_from_cluster_config() or {}

    def reserve(self, share: Share) -> "_PlacementGroup":
        """Asks for resources by a placement group that Ray removes with this job.

        Args:
            share: The workers that need them.
        """
        from ray.util.placement_group import placement_group

        labels = [dict(share.node_labels)] * share.count if share.node_labels else None
        bundles = [share.bundle] * share.count
        return _PlacementGroup(placement_group(bundles, "PACK", bundle_label_selector=labels))


@dataclass(slots=True)
class _PlacementGroup:
    group: Any

    def is_there(self, timeout_s: float) -> bool:
        return bool(self.group.wait(timeout_s))

    def release(self) -> None:
        from ray.util.placement_group import remove_placement_group

        remove_placement_group(self.group)
