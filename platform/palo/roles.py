"""Roles of a cluster's nodes: which work belongs where, on clusters whose nodes are labelled.

The nodes of ray_cluster.yaml and of the files for Kubernetes have the label `palo-role`. Kinds of
GPU alone don't keep work apart: a replica that needs any GPU fits on an idle training node, and the
hundreds of tasks of a corpus would start one. A head that has a role tells that its cluster has
roles, also when no other node is up.
"""

from collections.abc import Sequence
from typing import Literal

from palo.capacity import Cluster, Node, RayCluster

Role = Literal["data", "train", "serve"]
"""What a node is for: tasks of Ray Data and whatever trains without GPUs; training and encoding on
GPUs; replicas of served models."""
LABEL = "palo-role"
"""The label that names a node's role."""


def have_roles(nodes: Sequence[Node]) -> bool:
    """Returns whether a cluster has roles.

    Args:
        nodes: Its nodes that are up.
    """
    return any(LABEL in node.labels for node in nodes)


def role_labels(role: Role, cluster: Cluster | None = None) -> dict[str, str]:
    """Returns the labels that nodes must have for some work; none on a cluster without roles.

    Args:
        role: What the nodes are for.
        cluster: The cluster; by default the one that this process is connected to.
    """
    return {LABEL: role} if have_roles((cluster or RayCluster()).nodes()) else {}


def compute_role(gpus: float) -> Role:
    """Returns the role of the nodes on which something trains or encodes.

    Without GPUs that is work like any other on data, and starts no node with eight of them.

    Args:
        gpus: GPUs of each worker.
    """
    return "train" if gpus else "data"
