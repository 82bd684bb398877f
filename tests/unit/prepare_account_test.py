"""The account's set-up script leaves no port open and grants no more than the nodes need."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from tests.fixtures.scripts import load_script

from palo.errors import ConfigError, ResourceError

_SCRIPT = Path(__file__).resolve().parents[2] / "cluster" / "prepare_account.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script(_SCRIPT)


class FakeEc2:
    """Two networks; remembers the rules of each group as EC2 does."""

    def __init__(self, networks: tuple[str, ...], groups: dict[str, list[Any]]) -> None:
        self.networks = networks
        self.groups = groups

    def describe_subnets(self, **_: Any) -> dict[str, Any]:
        return {"Subnets": [{"VpcId": network} for network in self.networks]}

    def describe_security_groups(self, *, Filters: list[Any]) -> dict[str, Any]:  # noqa: N803
        (name,), (network,) = (wanted["Values"] for wanted in Filters)
        group = f"{name}-{network}"
        known = [{"GroupId": group, "IpPermissions": self.groups.get(group)}]
        return {"SecurityGroups": known if group in self.groups else []}

    def create_security_group(self, *, GroupName: str, VpcId: str, **_: Any) -> dict[str, str]:  # noqa: N803
        self.groups[f"{GroupName}-{VpcId}"] = []
        return {"GroupId": f"{GroupName}-{VpcId}"}

    def revoke_security_group_ingress(self, *, GroupId: str, IpPermissions: list[Any]) -> None:  # noqa: N803
        self.groups[GroupId] = [r for r in self.groups[GroupId] if r not in IpPermissions]

    def authorize_security_group_ingress(self, *, GroupId: str, IpPermissions: list[Any]) -> None:  # noqa: N803
        self.groups[GroupId] += IpPermissions


def test_every_network_gets_a_closed_group(script: ModuleType) -> None:
    ec2 = FakeEc2(("vpc-b", "vpc-a", "vpc-b"), {})
    groups = script.close_ports(ec2, "palo", "203.0.113.7/32")
    assert groups == ["palo-vpc-a", "palo-vpc-b"]
    assert ec2.groups == {group: script.wanted_rules(group, "203.0.113.7/32") for group in groups}


def test_a_group_that_ray_opened_to_the_world_is_closed(script: ModuleType) -> None:
    world = {"IpProtocol": "tcp", "FromPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2 = FakeEc2(("vpc-a",), {"palo-vpc-a": [world]})
    script.close_ports(ec2, "palo", "203.0.113.7/32")
    assert "0.0.0.0/0" not in json.dumps(ec2.groups)
    assert len(ec2.groups["palo-vpc-a"]) == 2


def test_a_region_without_public_subnets_is_explained(script: ModuleType) -> None:
    with pytest.raises(ResourceError, match="create-default-vpc"):
        script.close_ports(FakeEc2((), {}), "palo", "203.0.113.7/32")


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "128.0.0.0/1", "mine", "203.0.113.7/24", ""])
def test_a_range_that_is_wrong_or_the_world_is_refused(script: ModuleType, cidr: str) -> None:
    with pytest.raises(ConfigError, match="Give your own address"):
        script.check_cidr(cidr)


def test_a_wrong_range_is_one_line_and_exit_code_2() -> None:
    command = [sys.executable, str(_SCRIPT), "--cidr", "0.0.0.0/0", "--bucket", "b"]
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--cidr" in result.stderr


def test_workers_touch_one_bucket_and_nothing_else(script: ModuleType) -> None:
    for right in script.storage_rights("my-data"):
        assert right["Resource"].startswith("arn:aws:s3:::my-data")
        assert all(action.startswith("s3:") and "*" not in action for action in right["Action"])


def test_the_head_may_pass_on_the_workers_role_only(script: ModuleType) -> None:
    rights = script.launch_rights("arn:worker")
    passing = [right for right in rights if right["Action"] == "iam:PassRole"]
    assert [right["Resource"] for right in passing] == ["arn:worker"]
    assert "iam:*" not in json.dumps(rights)


def test_the_cluster_file_names_one_profile_for_the_head_and_one_for_workers(
    script: ModuleType,
) -> None:
    cluster = yaml.safe_load(_SCRIPT.with_name("ray_cluster.yaml").read_text(encoding="utf-8"))
    head, worker = (script._profile_name(cluster, head=head) for head in (True, False))
    kinds = cluster["available_node_types"]
    named = {n: k["node_config"]["IamInstanceProfile"]["Name"] for n, k in kinds.items()}
    assert named == {name: head if name == "head" else worker for name in kinds}
    assert head != worker


def test_ray_leaves_a_group_with_rules_alone() -> None:
    """The reason why the group is made beforehand; Ray's own rules open SSH to the world."""
    from ray.autoscaler._private.aws import config

    class Group:
        id = "sg-1"
        ip_permissions: tuple[str, ...] = ("a rule",)
        asked: Any = None

        def authorize_ingress(self, *, IpPermissions: list[Any]) -> None:  # noqa: N803
            self.asked = IpPermissions

    closed, fresh = Group(), Group()
    fresh.ip_permissions = ()
    cluster = {"provider": {}, "available_node_types": {"head": {}}}
    config._upsert_security_group_rules(cluster, {"head": closed})
    config._upsert_security_group_rules(cluster, {"head": fresh})
    assert closed.asked is None
    assert "0.0.0.0/0" in json.dumps(fresh.asked)
