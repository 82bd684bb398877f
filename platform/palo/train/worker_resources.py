"""The resources of a stage's workers: asked for before it starts, and what Ray Train gets told."""

from typing import TYPE_CHECKING

from palo.capacity import Cluster, RayCluster, Share, await_capacity, choose_kind
from palo.terminal import visible
from palo.train.stages import WorkerSettings

if TYPE_CHECKING:
    from ray.train import ScalingConfig

_PLACE_S = 10.0
_FIX = (
    "Lower workers.count or workers.cpus, name other workers.gpu_kinds or workers.node_labels, "
    "add nodes, or raise workers.wait_s."
)


def worker_share(workers: WorkerSettings, cluster: Cluster) -> Share:
    """Returns what the workers take of a cluster, all of one kind of GPU.

    Args:
        workers: The workers' settings.
        cluster: The cluster.
    """
    kind = choose_kind(workers.gpu_kinds, cluster, workers.count) if workers.use_gpu else None
    return Share(
        workers="training workers",
        count=workers.count,
        cpus=workers.cpus,
        gpus=1.0 if workers.use_gpu else 0.0,
        gpu_kind=kind,
        node_labels=workers.node_labels,
    )


def require_resources(workers: WorkerSettings, cluster: Cluster | None = None) -> Share:
    """Waits until the cluster has what the workers need, or says what is missing.

    Args:
        workers: The workers' settings.
        cluster: The cluster; by default the one that this process is connected to.

    Returns:
        What they take.

    Raises:
        ResourceError: If a private Ray has no room for them, or a cluster within `wait_s`.
    """
    cluster = cluster or RayCluster()
    share = worker_share(workers, cluster)
    await_capacity(share, cluster, workers.wait_s, _say, _FIX)
    return share


def room_counted(workers: WorkerSettings, cluster: Cluster | None = None) -> int:
    """Returns how many workers the nodes can hold that the cluster counts and doesn't take away.

    Args:
        workers: The workers' settings.
        cluster: The cluster; by default the one that this process is connected to.
    """
    cluster = cluster or RayCluster()
    share = worker_share(workers, cluster)
    return sum(node.holds(share) for node in cluster.nodes())


def has_room(workers: WorkerSettings, cluster: Cluster | None = None) -> bool:
    """Returns whether the cluster can place the workers now, by reserving what they need.

    A node that is gone is counted for half a minute more, but reserves nothing.

    Args:
        workers: The workers' settings.
        cluster: The cluster; by default the one that this process is connected to.
    """
    cluster = cluster or RayCluster()
    request = cluster.reserve(worker_share(workers, cluster))
    try:
        return request.is_there(_PLACE_S)
    finally:
        request.release()


def _say(line: str) -> None:
    print(visible(line), flush=True)


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
