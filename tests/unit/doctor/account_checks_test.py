"""What `ray up` lacks is one line before it costs money; moto plays the account."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.aws_account import BUCKET, Parameters, Quotas, refusal, replace_clients
from tests.fixtures.scripts import load_script

from palo.doctor.account_checks import check_account
from palo.doctor.aws import Aws
from palo.doctor.finding import Finding

_PREPARE = Path(__file__).resolve().parents[3] / "cluster" / "prepare_account.py"
Folders = Callable[..., Path]


@pytest.fixture
def prepared(aws_account: Aws, cluster_folder: Folders, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cluster whose account is ready, with a token."""
    return _ready(cluster_folder(), monkeypatch)


def _ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = load_script(_PREPARE)
    monkeypatch.setattr(script, "_CLUSTER", folder / "ray_cluster.yaml")
    script.prepare("203.0.113.7/32", BUCKET)
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    token = folder.parent / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("a" * 32, encoding="utf-8")
    token.chmod(0o600)
    return folder


def _found(folder: Path, level: str) -> list[Finding]:
    every = list(check_account(folder / "ray_cluster.yaml"))
    return [one for one in every if one.level == level]


def _only_fault(folder: Path) -> str:
    (fault,) = _found(folder, "fault")
    line = str(fault)
    assert "\n" not in line
    assert line.endswith(".")
    return line


def test_an_account_that_is_ready_has_no_fault(prepared: Path) -> None:
    assert not _found(prepared, "fault")
    assert not _found(prepared, "warning")
    assert len(_found(prepared, "ok")) > 10


def test_without_credentials(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no credentials for AWS" in _only_fault(prepared)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredToken", "expired"),
        ("InvalidClientTokenId", "doesn't know these credentials"),
        ("AccessDenied", "your rights"),
    ],
)
def test_with_wrong_credentials(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    class Refusing:
        def get_caller_identity(self) -> None:
            raise refusal(code, 403)

    replace_clients(monkeypatch, sts=Refusing())
    assert told in _only_fault(prepared)


def test_a_region_that_is_none_is_not_blamed_on_credentials(
    prepared: Path, aws_account: Aws, cluster_folder: Folders
) -> None:
    text = (prepared / "palo.toml").read_text(encoding="utf-8")
    (prepared / "palo.toml").write_text(text.replace("us-east-1", "us-eest-1"), encoding="utf-8")
    script = load_script(_PREPARE.with_name("configure.py"))
    script._FOLDER = prepared
    script.configure(check=False)
    line = _only_fault(prepared)
    assert "no such region of AWS: 'us-eest-1'. Did you mean us-" in line
    assert "credentials" not in line


def test_a_region_that_is_not_enabled(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from palo.doctor import account_checks

    aws = Aws("us-east-1")
    real = aws.client("ec2")

    class Ec2:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def describe_regions(self, **_: Any) -> dict[str, Any]:
            return {"Regions": [{"RegionName": "us-east-1", "OptInStatus": "not-opted-in"}]}

    monkeypatch.setattr(Aws, "client", lambda self, service: Ec2())
    cluster = account_checks.read_cluster_file(prepared / "ray_cluster.yaml")
    (fault,) = account_checks._check_region(aws, cluster)
    assert "isn't enabled" in str(fault).replace("is not", "isn't")


@pytest.mark.parametrize(
    ("code", "quota", "level", "told"),
    [
        ("L-417A185B", 0, "fault", "0 vCPUs of P on-demand instances"),
        ("L-417A185B", 96, "warning", "Fewer nodes will start"),
        ("L-34B43A08", 8, "fault", "not one node of 16"),
        ("L-DB2E81BA", 0, "fault", "G and VT"),
    ],
)
def test_a_quota_that_is_too_small(
    prepared: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    quota: float,
    level: str,
    told: str,
) -> None:
    replace_clients(monkeypatch, service_quotas=Quotas({code: quota}), ssm=Parameters())
    (found,) = _found(prepared, level)
    assert told in str(found)
    assert code in found.fix


def test_an_instance_type_that_does_not_exist(
    aws_account: Aws, cluster_folder: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _ready(cluster_folder({'"p4d.24xlarge"': '"p4d.24xlrage"'}), monkeypatch)
    assert "no instance type 'p4d.24xlrage'. Did you mean p4d.24xlarge?" in _only_fault(folder)


def test_an_instance_type_that_the_region_lacks(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Aws("us-east-1").client("ec2")

    class Ec2:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def describe_instance_type_offerings(self, **wanted: Any) -> dict[str, Any]:
            (instance,) = wanted["Filters"][0]["Values"]
            return {"InstanceTypeOfferings": [] if instance.startswith("p4d") else [{}]}

    replace_clients(monkeypatch, ec2=Ec2(), service_quotas=Quotas(), ssm=Parameters())
    assert "p4d.24xlarge isn't offered in us-east-1" in _only_fault(prepared)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'gpus = 8\ngpu_kind = "A100"\ndisk_gb',
            'gpus = 4\ngpu_kind = "A100"\ndisk_gb',
            "4 GPUs for 8",
        ),
        ("cpus = 96", "cpus = 128", "128 CPUs for 96"),
        ('gpu_kind = "A10G"\ndisk_gb', 'gpu_kind = "L40S"\ndisk_gb', "L40S for A10G"),
    ],
)
def test_what_is_said_of_an_instance_must_be_true(
    aws_account: Aws,
    cluster_folder: Folders,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    told: str,
) -> None:
    assert told in _only_fault(_ready(cluster_folder({old: new}), monkeypatch))


def test_an_image_that_is_not_there(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_clients(monkeypatch, service_quotas=Quotas(), ssm=Parameters(known=False))
    faults = _found(prepared, "fault")
    assert len(faults) == 2
    assert all("leads to no machine image in us-east-1" in str(one) for one in faults)


def test_a_bucket_that_is_not_there(prepared: Path) -> None:
    s3 = Aws("us-east-1").client("s3")
    s3.delete_bucket(Bucket=BUCKET)
    assert f"aws s3 mb s3://{BUCKET} --region us-east-1" in _only_fault(prepared)


def test_a_bucket_of_another_region(prepared: Path) -> None:
    Aws("us-east-1").client("s3").delete_bucket(Bucket=BUCKET)
    Aws("eu-west-1").client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    assert "in eu-west-1, the cluster in us-east-1" in _only_fault(prepared)


@pytest.mark.parametrize("of_owner", [True, False], ids=["readable", "closed"])
def test_a_bucket_of_another_account(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, of_owner: bool
) -> None:
    class S3:
        def head_bucket(self, **wanted: Any) -> dict[str, Any]:
            if of_owner and "ExpectedBucketOwner" not in wanted:
                return {"BucketRegion": "us-east-1"}
            raise refusal("403", 403)

    replace_clients(monkeypatch, s3=S3(), service_quotas=Quotas(), ssm=Parameters())
    assert "belongs to another account" in _only_fault(prepared)


def test_a_bucket_that_can_not_be_written(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class S3:
        def head_bucket(self, **_: Any) -> dict[str, Any]:
            return {"BucketRegion": "us-east-1"}

        def put_object(self, **_: Any) -> None:
            raise refusal("AccessDenied", 403)

    replace_clients(monkeypatch, s3=S3(), service_quotas=Quotas(), ssm=Parameters())
    assert "your rights don't allow it" in _only_fault(prepared)


def test_a_bucket_that_nobody_has_named(
    aws_account: Aws, cluster_folder: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _ready(cluster_folder({BUCKET: "YOUR-BUCKET"}), monkeypatch)
    assert "stands for your own bucket" in _only_fault(folder)


def test_without_the_security_group(prepared: Path) -> None:
    ec2 = Aws("us-east-1").client("ec2")
    for group in ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["palo"]}])[
        "SecurityGroups"
    ]:
        ec2.delete_security_group(GroupId=group["GroupId"])
    assert "Ray would open SSH to the whole internet" in _only_fault(prepared)


def test_a_security_group_that_is_open(prepared: Path) -> None:
    ec2 = Aws("us-east-1").client("ec2")
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["palo"]}])
    ec2.authorize_security_group_ingress(
        GroupId=groups["SecurityGroups"][0]["GroupId"],
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 22,
                "ToPort": 22,
                "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            }
        ],
    )
    assert "lets 0.0.0.0/0 in" in _only_fault(prepared)


def test_without_an_instance_profile(prepared: Path) -> None:
    iam = Aws("us-east-1").client("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName="palo-worker", RoleName="palo-worker")
    assert "no instance profile palo-worker with a role" in _only_fault(prepared)


def test_two_clusters_of_one_name(prepared: Path) -> None:
    ec2 = Aws("us-east-1").client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [
        {"Key": "ray-cluster-name", "Value": "palo"},
        {"Key": "ray-node-type", "Value": "head"},
    ]
    ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    (warning,) = _found(prepared, "warning")
    assert "a cluster palo is up since" in str(warning)
    assert "set another name" in str(warning)


def test_without_a_token_and_with_one_that_others_can_read(prepared: Path) -> None:
    token = prepared.parent / ".ray" / "auth_token"
    token.chmod(0o644)
    assert f"chmod 600 {token}" in _only_fault(prepared)
    token.unlink()
    assert "ray get-auth-token --generate" in _only_fault(prepared)


@pytest.mark.parametrize("own", [True, False], ids=["named", "rays"])
def test_a_key_file_with_wrong_rights(prepared: Path, own: bool) -> None:
    key = prepared.parent / ".ssh" / "ray-autoscaler_us-east-1.pem"
    key.parent.mkdir()
    key.write_text("key", encoding="utf-8")
    key.chmod(0o644)
    if own:
        path = prepared / "ray_cluster.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace("ssh_user: ubuntu", f"ssh_user: ubuntu\n  ssh_private_key: {key}"),
            encoding="utf-8",
        )
    assert "(mode 0644). chmod 600" in _only_fault(prepared)
    key.chmod(0o600)
    assert not _found(prepared, "fault")


def test_files_that_differ_from_the_settings(prepared: Path) -> None:
    path = prepared / "ray_cluster.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("cluster_name: palo ", "cluster_name: other "), encoding="utf-8")
    assert "ray_cluster.yaml: not what palo.toml says. Run make cluster." in _only_fault(prepared)
