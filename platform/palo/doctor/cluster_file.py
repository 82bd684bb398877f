"""What a cluster's YAML file for AWS asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from palo import storage
from palo.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeType:
    """The nodes of one type.

    Attributes:
        name: The type's name.
        instance: Type of the instance.
        image: Id of the machine image, or the SSM parameter that names it after `resolve:ssm:`.
        profile: Name of the instance profile.
        is_spot: Whether they are spot instances.
        most: Most of them at once.
        resources: Ray's resources of each, by name.
    """

    name: str
    instance: str
    image: str
    profile: str
    is_spot: bool
    most: int
    resources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterFile:
    """A cluster on AWS.

    Attributes:
        name: The cluster's name, which its instances have as a tag.
        region: Its region.
        group: Name of its security group.
        key: File of a private key of the user's own; None if Ray makes one.
        head: Name of the head's type.
        types: Its node types.
    """

    name: str
    region: str
    group: str
    key: Path | None
    head: str
    types: tuple[NodeType, ...]

    def profile(self, *, head: bool) -> str:
        """Returns the instance profile of the head, or of the workers.

        Args:
            head: Whether of the head.
        """
        return next(one.profile for one in self.types if (one.name == self.head) == head)


def read_cluster_file(path: Path) -> ClusterFile:
    """Reads the file of `ray up`.

    Args:
        path: The file.

    Raises:
        ConfigError: If it is no YAML, is for another provider, or lacks what every node needs.
        StorageError: If it can't be read.
    """
    text = storage.read_text(path)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path} is no YAML", seen=" ".join(str(error).split()), fix="Correct it there."
        ) from error
    provider = (values or {}).get("provider") or {}
    if provider.get("type") != "aws":
        raise ConfigError(
            f"{path} is no cluster on AWS",
            seen=provider.get("type"),
            fix="Name a file whose provider has the type aws.",
        )
    try:
        key = values.get("auth", {}).get("ssh_private_key")
        return ClusterFile(
            name=values["cluster_name"],
            region=provider["region"],
            group=provider["security_group"]["GroupName"],
            key=Path(key).expanduser() if key else None,
            head=values["head_node_type"],
            types=tuple(
                _node_type(name, kind, is_head=name == values["head_node_type"])
                for name, kind in values["available_node_types"].items()
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is incomplete",
            seen=error,
            fix="Take cluster/ray_cluster.yaml as it comes, and change cluster/palo.toml.",
        ) from error


def _node_type(name: str, kind: dict[str, Any], *, is_head: bool) -> NodeType:
    node = kind["node_config"]
    return NodeType(
        name=name,
        instance=node["InstanceType"],
        image=node["ImageId"],
        profile=node["IamInstanceProfile"]["Name"],
        is_spot=node.get("InstanceMarketOptions", {}).get("MarketType") == "spot",
        most=1 if is_head else kind["max_workers"],
        resources=kind.get("resources", {}),
    )
