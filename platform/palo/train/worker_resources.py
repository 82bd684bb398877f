"""The resources of a stage's workers: asked for before it starts, and what Ray Train gets told."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from palo.capacity import (
    CapacityRequest,
    Cluster,
    RayCluster,
    Share,
    await_capacity,
    choose_kind,
    never,
)
from palo.roles import compute_role, role_labels
from palo.train.stages import WorkerSettings

if TYPE_CHECKING:
    from ray.train import ScalingConfig

_FIX = (
    "Lower workers.count or workers.cpus, name other workers.gpu_kinds or workers.node_labels, "
    "add nodes, or raise workers.wait_s."
)


def worker_share(workers: WorkerSettings, cluster: Cluster) -> Share:
    """Returns what the workers take of a cluster, all of one kind of GPU, on nodes of their role.

    Args:
        workers: The workers' settings.
        cluster: The cluster.
    """
    gpus = 1.0 if workers.use_gpu else 0.0
    labels = workers.node_labels or role_labels(compute_role(gpus), cluster)
    kind = None
    if workers.use_gpu:
        kind = choose_kind(workers.gpu_kinds, cluster, workers.count, node_labels=labels)
    return Share(
        workers="training workers",
        count=workers.count,
        cpus=workers.cpus,
        gpus=gpus,
        gpu_kind=kind,
        node_labels=labels,
    )


def await_workers(
    workers: WorkerSettings,
    say: Callable[[str], None],
    cluster: Cluster | None = None,
    give_up: Callable[[], bool] = never,
) -> Share:
    """Waits until the cluster has what the workers need, or says what is missing.

    Args:
        workers: The workers' settings.
        say: Takes lines about the waiting.
        cluster: The cluster; by default the one that this process is connected to.
        give_up: Returns whether the waiting shall end at once, without room and without an error.

    Returns:
        What they take.

    Raises:
        ResourceError: If a private Ray has no room for them, or a cluster within `wait_s`.
    """
    cluster = cluster or RayCluster()
    share = worker_share(workers, cluster)
    await_capacity(share, cluster, workers.wait_s, say, _FIX, give_up)
    return share


def ask_for(workers: WorkerSettings, cluster: Cluster | None = None) -> CapacityRequest:
    """Asks the cluster for room for workers, until that is there or the request is released.

    A node that is gone is counted for half a minute more, but gives no room.

    Args:
        workers: The workers' settings.
        cluster: The cluster; by default the one that this process is connected to.
    """
    cluster = cluster or RayCluster()
    return cluster.reserve(worker_share(workers, cluster))


def scaling_config(share: Share) -> "ScalingConfig":
    """Returns what Ray Train is told of the workers' resources.

    Args:
        share: What they take.
    """
    from ray.train import ScalingConfig

    resources = {"CPU": share.cpus} | ({"GPU": share.gpus} if share.gpus else {})
    return ScalingConfig(
        num_workers=share.count,
        use_gpu=share.gpus > 0,
        resources_per_worker=resources,
        accelerator_type=share.gpu_kind,
        label_selector=dict(share.node_labels) or None,
    )
