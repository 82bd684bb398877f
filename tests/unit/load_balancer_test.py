"""The load balancer is led to the head alone, twice the same, and goes without a rest."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.fixtures.aws_account import REGION
from tests.fixtures.nginx import self_signed
from tests.fixtures.scripts import load_script

from palo.doctor.aws import Aws
from palo.errors import ConfigError
from palo.serve.settings import ServeSettings

_SCRIPT = Path(__file__).resolve().parents[2] / "cluster" / "load_balancer.py"
_TAGS = {"ray-cluster-name": "palo", "ray-node-type": "head"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script(_SCRIPT)


@pytest.fixture
def certificate(aws_account: Aws, tmp_path: Path) -> str:
    """An issued certificate for palo.example."""
    public, key = self_signed(tmp_path, "palo.example")
    imported = aws_account.client("acm").import_certificate(
        Certificate=public.read_bytes(), PrivateKey=key.read_bytes()
    )
    return str(imported["CertificateArn"])


@pytest.fixture
def head(aws_account: Aws) -> str:
    """The instance of a head that runs, with the cluster's group."""
    return _start(aws_account)


def _start(aws: Aws) -> str:
    ec2 = aws.client("ec2")
    (image,) = ec2.describe_images()["Images"]
    wanted = [{"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    tags = [{"Key": key, "Value": value} for key, value in _TAGS.items()]
    started = ec2.run_instances(
        ImageId=image["ImageId"],
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[group["GroupId"]],
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return str(started["Instances"][0]["InstanceId"])


def _groups_of(aws: Aws, instance: str) -> set[str]:
    (found,) = aws.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    return {one["GroupName"] for one in found["Instances"][0]["SecurityGroups"]}


def _rules(aws: Aws, group: str) -> list[dict[str, Any]]:
    wanted = [{"Name": "group-name", "Values": [group]}]
    (found,) = aws.client("ec2").describe_security_groups(Filters=wanted)["SecurityGroups"]
    rules: list[dict[str, Any]] = found["IpPermissions"]
    return rules


def test_without_apply_nothing_is_made(
    script: ModuleType,
    aws_account: Aws,
    head: str,
    certificate: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert script.main(["--certificate", certificate]) == 0
    told = capsys.readouterr().out
    assert "https://palo.example from 0.0.0.0/0" in told
    assert f"open port 8000 of the head {head} to it alone" in told
    assert not aws_account.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert _groups_of(aws_account, head) == {"default"}


def test_it_is_made_twice_the_same_and_opens_one_port_of_the_head(
    script: ModuleType,
    aws_account: Aws,
    head: str,
    certificate: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["--certificate", certificate, "--clients", "198.51.100.0/24", "--apply"]
    assert script.main(command) == 0
    first = capsys.readouterr().out
    assert script.main(command) == 0
    assert capsys.readouterr().out == first
    elb = aws_account.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    assert balancer["DNSName"] in first
    assert "trusted [172.31.0.0/16]" in first
    assert len(balancer["AvailabilityZones"]) > 1
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    assert (listener["Protocol"], listener["Port"]) == ("HTTPS", 443)
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert listener["Certificates"][0]["CertificateArn"] == certificate
    (targets,) = elb.describe_target_groups()["TargetGroups"]
    assert targets["HealthCheckPath"] == "/healthz"
    health = elb.describe_target_health(TargetGroupArn=targets["TargetGroupArn"])
    assert [one["Target"]["Id"] for one in health["TargetHealthDescriptions"]] == [head]
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])
    idle = {one["Key"]: one["Value"] for one in attributes["Attributes"]}
    assert float(idle["idle_timeout.timeout_seconds"]) > ServeSettings(models=()).timeout_s

    (public,) = _rules(aws_account, "palo-endpoint-public")
    assert (public["FromPort"], public["ToPort"]) == (443, 443)
    assert [one["CidrIp"] for one in public["IpRanges"]] == ["198.51.100.0/24"]
    (inner,) = _rules(aws_account, "palo-endpoint-head")
    assert (inner["FromPort"], inner["ToPort"]) == (8000, 8000)
    assert not inner["IpRanges"]
    assert [one["GroupId"] for one in inner["UserIdGroupPairs"]] == balancer["SecurityGroups"]
    assert _groups_of(aws_account, head) == {"default", "palo-endpoint-head"}


def test_another_head_takes_the_place_of_the_first(
    script: ModuleType, aws_account: Aws, head: str, certificate: str
) -> None:
    command = ["--certificate", certificate, "--apply"]
    assert script.main(command) == 0
    aws_account.client("ec2").terminate_instances(InstanceIds=[head])
    second = _start(aws_account)
    assert script.main(command) == 0
    elb = aws_account.client("elbv2")
    (targets,) = elb.describe_target_groups()["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=targets["TargetGroupArn"])
    assert [one["Target"]["Id"] for one in health["TargetHealthDescriptions"]] == [second]


def test_it_goes_without_a_rest(
    script: ModuleType,
    aws_account: Aws,
    head: str,
    certificate: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert script.main(["--certificate", certificate, "--apply"]) == 0
    assert script.main(["--delete", "--apply"]) == 0
    assert capsys.readouterr().out.count("deleted ") == 4
    elb, ec2 = aws_account.client("elbv2"), aws_account.client("ec2")
    assert not elb.describe_load_balancers()["LoadBalancers"]
    assert not elb.describe_target_groups()["TargetGroups"]
    left = ec2.describe_security_groups()["SecurityGroups"]
    assert not [one for one in left if "endpoint" in one["GroupName"]]
    assert _groups_of(aws_account, head) == {"default"}
    assert script.main(["--delete", "--apply"]) == 0


@pytest.mark.parametrize(
    ("arn", "told"),
    [
        ("arn:aws:acm:eu-west-1:123456789012:certificate/a", f"ACM in {REGION}"),
        ("mine", f"ACM in {REGION}"),
        (f"arn:aws:acm:{REGION}:123456789012:certificate/none", "no such certificate"),
    ],
)
def test_a_certificate_that_is_of_no_use_is_one_line(
    script: ModuleType, aws_account: Aws, arn: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--certificate", arn, "--apply"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error


def test_a_wrong_certificate_is_told_before_missing_credentials(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: without credentials those were blamed, and the certificate only then."""
    monkeypatch.setattr(Aws, "client", lambda *_: pytest.fail("the account was asked"))
    assert script.main(["--certificate", "mine"]) == 2
    assert f"ACM in {REGION}" in capsys.readouterr().err


def test_a_certificate_that_is_not_issued_is_refused(script: ModuleType, aws_account: Aws) -> None:
    asked = aws_account.client("acm").request_certificate(
        DomainName="palo.example", ValidationMethod="DNS"
    )
    with pytest.raises(ConfigError, match="PENDING_VALIDATION"):
        script.require_certificate(aws_account, asked["CertificateArn"])


def test_without_a_head_it_says_so(
    script: ModuleType, aws_account: Aws, certificate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--certificate", certificate]) == 2
    assert "no head runs: palo in us-east-1. Start it: ray up." in capsys.readouterr().err
