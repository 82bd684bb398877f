"""What a person sets about a cluster, in cluster/palo.toml."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from palo import config, storage
from palo.storage.s3_location import is_uri

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_WIDEST = 16  # bits of a range of addresses: 65,536 of them


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeSize:
    """The nodes of one role.

    Attributes:
        instance: Type of the instance; empty on Kubernetes.
        cpus: Logical CPUs that Ray offers on each; the head offers none.
        gpus: GPUs of each.
        gpu_kind: Ray's name of their kind.
        memory_gib: Memory of a pod, in GiB; only on Kubernetes.
        disk_gb: Root disk, in GB; only on AWS.
        max_nodes: Most of them at once.
    """

    instance: str = ""
    cpus: int = 0
    gpus: int = 0
    gpu_kind: str = ""
    memory_gib: int = 0
    disk_gb: int = 100
    max_nodes: int = 1

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if min(self.cpus, self.gpus, self.memory_gib) < 0:
            yield "cpus, gpus and memory_gib are 0 or more"
        if min(self.disk_gb, self.max_nodes) < 1:
            yield "disk_gb and max_nodes are 1 or more"

    def resources(self, role: str) -> dict[str, int]:
        """Returns Ray's resources of a node.

        Args:
            role: Its role, which names a resource of its own.
        """
        found = {"CPU": self.cpus}
        if self.gpus:
            found["GPU"] = self.gpus
        if self.gpu_kind:
            found[f"accelerator_type:{self.gpu_kind}"] = 1
        return found | {f"palo_{role}": self.gpus or self.cpus}


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsSettings:
    """A cluster on AWS.

    Attributes:
        region: The region.
        address: Range of IPv4 addresses that may open SSH.
        idle_minutes: How long a node is kept that nothing uses.
        image_parameter: Public SSM parameter that names the machine image of nodes without a GPU.
        gpu_image_parameter: The same with NVIDIA's driver.
        head: The head.
        data: Nodes for Ray Data.
        train: Nodes for Ray Train.
        serve: Nodes for Ray Serve.
    """

    region: str
    address: str
    idle_minutes: int = 10
    image_parameter: str
    gpu_image_parameter: str
    head: NodeSize
    data: NodeSize
    train: NodeSize
    serve: NodeSize

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if fault := address_fault(self.address):
            yield f"address {fault}"
        if not 1 <= self.idle_minutes <= 60:
            yield "idle_minutes are 1 to 60"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaSize:
    """The replicas of a served model.

    Attributes:
        min_replicas: Replicas that run as long as there is a model.
        max_replicas: Most of them under load.
        cpus: Logical CPUs that each keeps from other work; 0 for none.
        gpus: GPUs of each.
        num_slots: Questions that each answers at once.
        max_context: Longest conversation with its answer, in tokens.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    cpus: int = 1
    gpus: int = 0
    num_slots: int = 8
    max_context: int = 4096

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if not 1 <= self.min_replicas <= self.max_replicas:
            yield "min_replicas are 1 to max_replicas"
        if min(self.num_slots, self.max_context) < 1 or min(self.cpus, self.gpus) < 0:
            yield "num_slots and max_context are 1 or more, cpus and gpus 0 or more"


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointPlan:
    """The endpoint and its chat page.

    Attributes:
        models: Names of the runs that it serves, or "newest".
        name: Name of the newest run's model for clients.
        port: Port of both, on the head's loopback.
        replica: The replicas of each model, where there are GPUs.
    """

    models: tuple[str, ...] = ("newest",)
    name: str = "palo"
    port: int = 8000
    replica: ReplicaSize = field(default_factory=ReplicaSize)

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if not self.models or any(not name or "/" in name for name in self.models):
            yield 'models are names of runs, or "newest"'
        if not 1 <= self.port <= 65535:
            yield "port is 1 to 65535"


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalSettings:
    """A cluster of one's own machines.

    Attributes:
        head: Address of the head.
        workers: Addresses of the other machines.
        user: Who logs in by SSH.
        key: File of the user's private key.
        store: A folder that all machines share, or s3://.
        replica: The replicas of each served model on these machines.
    """

    head: str = "127.0.0.1"
    workers: tuple[str, ...] = ()
    user: str
    key: str
    store: str
    replica: ReplicaSize = field(default_factory=ReplicaSize)

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if self.workers and self.head in ("127.0.0.1", "localhost"):
            yield "head needs an address that the workers can reach"


@dataclass(frozen=True, kw_only=True, slots=True)
class KubernetesSettings:
    """A cluster on Kubernetes.

    Attributes:
        image: The node image, with its registry.
        store: Where the pods find the store: the folder of its volume, or s3://.
        store_gib: Size of the volume, in GiB.
        storage_class: Class of the volume.
        recipe: Recipe of the training job.
        data: Pods for Ray Data.
        train: Pods for Ray Train.
        serve: Pods for Ray Serve.
    """

    image: str
    store: str
    store_gib: int
    storage_class: str
    recipe: str
    data: NodeSize
    train: NodeSize
    serve: NodeSize


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterSettings:
    """What a person sets about a cluster.

    Attributes:
        name: Name of the cluster, and of what it makes in an account.
        store: The store of clusters on AWS.
        image: The node image; empty if nodes are set up one by one.
        serve: The endpoint and its chat page.
        aws: The cluster on AWS.
        local: The cluster of one's own machines.
        kubernetes: The cluster on Kubernetes.
    """

    name: str
    store: str
    image: str = ""
    serve: EndpointPlan = field(default_factory=EndpointPlan)
    aws: AwsSettings
    local: LocalSettings
    kubernetes: KubernetesSettings

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        if not _NAME.fullmatch(self.name):
            yield "name is lower-case letters, digits and hyphens, 40 at most, a letter first"
        if not is_uri(self.store):
            yield "store begins with s3://: nodes on AWS share no disk"


def read_settings(path: Path) -> ClusterSettings:
    """Reads a palo.toml.

    Args:
        path: The file.

    Raises:
        ConfigError: If a value is missing, unknown or wrong.
        StorageError: If it can't be read, or is no TOML.
    """
    settings = config.from_dict(ClusterSettings, storage.read_toml(path))
    config.check(settings)
    return settings


def bucket_fault(name: str) -> str:
    """Returns what is wrong with the name of an S3 bucket; empty if nothing is.

    Args:
        name: The name.
    """
    if name.upper() == "YOUR-BUCKET":
        return "stands for your own bucket"
    if not _BUCKET.fullmatch(name):
        return "is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens"
    return ""


def address_fault(address: str) -> str:
    """Returns what is wrong with the range of addresses that may open SSH; empty if nothing is.

    Args:
        address: The range, in CIDR notation.
    """
    try:
        network = ipaddress.IPv4Network(address)
    except ValueError as error:
        return f"is no range of IPv4 addresses ({error})"
    if network.overlaps(ipaddress.IPv4Network("0.0.0.0/8")):
        return "begins with 0, which is nobody's address"
    if network.prefixlen < _WIDEST:
        return f"lets {network.num_addresses:,} addresses in"
    if network.is_loopback or network.is_multicast or network.is_link_local:
        return "is an address that no request comes from"
    return ""
