"""Ray starts every node type of ray_cluster.yaml in an account of moto's, as the file says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fixtures.aws_account import BUCKET
from tests.fixtures.scripts import load_script

from palo.doctor.aws import Aws

_CLUSTER = Path(__file__).resolve().parents[2] / "cluster"


@pytest.fixture
def started(
    aws_account: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """The file as Ray completes it, and an instance of each node type, by its name."""
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.util import prepare_config

    monkeypatch.setenv("HOME", str(tmp_path))  # Ray keeps the key that it makes there
    (tmp_path / ".ssh").mkdir()
    load_script(_CLUSTER / "prepare_account.py").prepare("203.0.113.7/32", BUCKET)
    ec2 = aws_account.client("ec2")
    values = yaml.safe_load((_CLUSTER / "ray_cluster.yaml").read_text(encoding="utf-8"))
    for kind in values["available_node_types"].values():  # moto has no such parameters
        kind["node_config"]["ImageId"] = ec2.describe_images()["Images"][0]["ImageId"]
    cluster = bootstrap_aws(prepare_config(values))
    provider = AWSNodeProvider(cluster["provider"], cluster["cluster_name"])
    found = {}
    for name, kind in cluster["available_node_types"].items():
        (instance,) = provider.create_node(kind["node_config"], {"ray-node-name": name}, 1)
        answer = ec2.describe_instances(InstanceIds=[instance])
        found[name] = answer["Reservations"][0]["Instances"][0]
    return found


def test_each_node_is_started_as_the_file_says_behind_a_closed_group(
    started: dict[str, dict[str, Any]], aws_account: Aws
) -> None:
    assert {name: one["InstanceType"] for name, one in started.items()} == {
        "head": "m6i.2xlarge",
        "data_spot": "m6id.4xlarge",
        "data_on_demand": "m6id.4xlarge",
        "train": "p4d.24xlarge",
        "serve": "g5.2xlarge",
    }
    volumes = aws_account.client("ec2").describe_volumes()["Volumes"]
    assert len(volumes) == len(started)
    for volume in volumes:
        assert volume["Encrypted"] is True
        assert {"Key": "palo-cluster", "Value": "palo"} in volume["Tags"]
    for name, one in started.items():
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert (tags["palo-cluster"], tags["ray-cluster-name"]) == ("palo", "palo")
        profile = one["IamInstanceProfile"]["Arn"].rpartition("/")[2]
        assert profile == ("palo-head" if name == "head" else "palo-worker")
        assert one["MetadataOptions"]["HttpTokens"] == "required"
        assert (one.get("InstanceLifecycle") == "spot") == (name == "data_spot")
    # And the only ways in are those that were prepared.
    groups = {group["GroupId"] for one in started.values() for group in one["SecurityGroups"]}
    answer = aws_account.client("ec2").describe_security_groups(GroupIds=sorted(groups))
    (group,) = answer["SecurityGroups"]
    assert group["GroupName"] == "palo"
    ranges = [
        (rule.get("FromPort"), address["CidrIp"])
        for rule in group["IpPermissions"]
        for address in rule.get("IpRanges", [])
    ]
    assert ranges == [(22, "203.0.113.7/32")]
