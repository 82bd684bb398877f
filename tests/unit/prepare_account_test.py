"""The account's set-up script leaves no port open and grants no more than the nodes need."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.fixtures.aws_account import BUCKET
from tests.fixtures.scripts import load_script

from palo.doctor.aws import Aws
from palo.doctor.cluster_file import read_cluster_file
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


@pytest.mark.parametrize(
    "cidr",
    ["0.0.0.0/0", "0.0.0.0/8", "128.0.0.0/1", "10.0.0.0/8", "mine", "203.0.113.7/24", "", "::/0"],
)
def test_a_range_that_is_wrong_or_far_too_wide_is_refused(script: ModuleType, cidr: str) -> None:
    with pytest.raises(ConfigError, match="Give your own address"):
        script.check_cidr(cidr)


@pytest.mark.parametrize("cidr", ["203.0.113.7/32", "203.0.113.7", "192.168.0.0/16"])
def test_one_address_and_a_network_of_ones_own_are_taken(script: ModuleType, cidr: str) -> None:
    assert script.check_cidr(cidr) == cidr


@pytest.mark.parametrize(
    "bucket", ["other bucket!", "Upper", "a", "a..b", "192.168.0.1", "-ends", "YOUR-BUCKET", ""]
)
def test_a_bucket_that_can_not_exist_is_refused(script: ModuleType, bucket: str) -> None:
    with pytest.raises(ConfigError, match="bucket's name"):
        script.check_bucket_name(bucket)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cidr", "0.0.0.0/8", "--bucket", "my-data"], "0.0.0.0/8"),
        (["--bucket", "other bucket!"], "other bucket!"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(options: list[str], told: str) -> None:
    command = [sys.executable, str(_SCRIPT), *options]
    environment = {"AWS_EC2_METADATA_DISABLED": "true"}
    environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert told in result.stderr


def test_workers_touch_one_bucket_and_nothing_else(script: ModuleType) -> None:
    for right in script.storage_rights("my-data"):
        assert right["Resource"].startswith("arn:aws:s3:::my-data")
        assert all(action.startswith("s3:") and "*" not in action for action in right["Action"])


@pytest.fixture
def head_rights(script: ModuleType, aws_account: Aws) -> list[dict[str, Any]]:
    cluster = read_cluster_file(_SCRIPT.with_name("ray_cluster.yaml"))
    rights: list[dict[str, Any]] = script.launch_rights(aws_account, cluster, "arn:worker")
    return rights


def _of(rights: list[dict[str, Any]], action: str) -> list[dict[str, Any]]:
    return [right for right in rights if action in right["Action"]]


def test_the_head_may_pass_on_the_workers_role_to_instances_only(
    head_rights: list[dict[str, Any]],
) -> None:
    (passing,) = _of(head_rights, "iam:PassRole")
    assert passing["Resource"] == "arn:worker"
    assert passing["Condition"]["StringEquals"] == {"iam:PassedToService": "ec2.amazonaws.com"}


def test_the_head_may_start_its_own_types_and_end_its_own_nodes_only(
    head_rights: list[dict[str, Any]],
) -> None:
    instances, _ = _of(head_rights, "ec2:RunInstances")
    assert instances["Resource"] == "arn:aws:ec2:us-east-1:123456789012:instance/*"
    wanted = instances["Condition"]["StringEquals"]
    assert wanted["aws:RequestTag/ray-cluster-name"] == "palo"
    assert wanted["ec2:InstanceType"] == ["g5.2xlarge", "m6id.4xlarge", "p4d.24xlarge"]
    for action in ("TerminateInstances", "StopInstances", "StartInstances"):
        (right,) = _of(head_rights, f"ec2:{action}")
        assert right["Condition"]["StringEquals"] == {"aws:ResourceTag/ray-cluster-name": "palo"}
    for right in _of(head_rights, "ec2:CreateTags"):
        assert "Condition" in right


def test_what_changes_anything_is_restricted(head_rights: list[dict[str, Any]]) -> None:
    everywhere = [right["Action"] for right in head_rights if right["Resource"] == "*"]
    assert everywhere == [["ec2:Describe*"]]


def test_an_account_is_prepared_twice_with_the_same_result(
    script: ModuleType, aws_account: Aws
) -> None:
    made = script.prepare("203.0.113.7/32", BUCKET)
    assert script.prepare("203.0.113.7/32", BUCKET) == made
    iam, s3 = aws_account.client("iam"), aws_account.client("s3")
    for name in ("palo-head", "palo-worker"):
        assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["palo"]
        assert iam.list_role_tags(RoleName=name)["Tags"] == [
            {"Key": "palo-cluster", "Value": "palo"}
        ]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert [rule["ID"] for rule in rules] == ["palo-broken-uploads"]


def test_other_rules_of_the_bucket_stay(script: ModuleType, aws_account: Aws) -> None:
    s3 = aws_account.client("s3")
    mine = {
        "ID": "mine",
        "Status": "Enabled",
        "Filter": {"Prefix": "old/"},
        "Expiration": {"Days": 9},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [mine]})
    script.prepare("203.0.113.7/32", BUCKET)
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert {rule["ID"] for rule in rules} == {"mine", "palo-broken-uploads"}


def test_nothing_is_changed_before_the_bucket_is_right(
    script: ModuleType, aws_account: Aws
) -> None:
    with pytest.raises(ResourceError, match="no such bucket"):
        script.prepare("203.0.113.7/32", "another-bucket")
    groups = aws_account.client("ec2").describe_security_groups()["SecurityGroups"]
    assert "palo" not in {group["GroupName"] for group in groups}
    assert not aws_account.client("iam").list_roles()["Roles"]


def test_a_budget_is_made_once(script: ModuleType, aws_account: Aws) -> None:
    for dollars in (100, 200):
        script.watch_costs(aws_account, "palo", dollars, "me@example.org")
    budgets = aws_account.client("budgets").describe_budgets(AccountId=aws_account.account)
    (budget,) = budgets["Budgets"]
    assert float(budget["BudgetLimit"]["Amount"]) == 200
    assert budget["CostFilters"] == {"TagKeyValue": ["user:palo-cluster$palo"]}


def test_the_cluster_file_names_one_profile_for_the_head_and_one_for_workers() -> None:
    cluster = read_cluster_file(_SCRIPT.with_name("ray_cluster.yaml"))
    head, worker = (cluster.profile(head=head) for head in (True, False))
    named = {kind.name: kind.profile for kind in cluster.types}
    assert named == {name: head if name == "head" else worker for name in named}
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
