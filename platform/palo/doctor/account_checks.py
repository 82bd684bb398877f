"""Everything that `ray up` needs of an account, before it costs money."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palo.doctor.access_checks import TOKEN, check_private
from palo.doctor.aws import Aws
from palo.doctor.bucket_checks import check_bucket
from palo.doctor.cluster_file import ClusterFile, read_cluster_file
from palo.doctor.finding import Finding, fault, good, warning
from palo.doctor.instance_checks import check_instances
from palo.doctor.settings import ClusterSettings, address_fault, read_settings
from palo.doctor.stamping import stamp_all
from palo.errors import ConfigError, PaloError
from palo.storage import s3_location

SETTINGS = "palo.toml"
"""The settings lie beside the cluster's file."""
_PREPARE = "Run python cluster/prepare_account.py."
_CLUSTER_TAG, _KIND_TAG = "tag:ray-cluster-name", "tag:ray-node-type"


def check_account(path: Path) -> Iterator[Finding]:
    """Yields what is missing for a cluster; after a fault that the rest hangs on, nothing more.

    Args:
        path: The file of `ray up`.

    Raises:
        ConfigError: If that or the settings beside it are wrong.
    """
    cluster = read_cluster_file(path)
    # ray_cluster.yaml is a link: the settings lie beside what it leads to.
    settings = read_settings(path.resolve().with_name(SETTINGS))
    yield from check_settings(settings, path.resolve().parent)
    aws = Aws(cluster.region)
    try:
        yield good("credentials", f"of account {aws.account}, region {aws.region}")
    except PaloError as error:
        subject = "region" if isinstance(error, ConfigError) else "credentials"
        yield fault(subject, f"{error.fact}: {error.seen}", error.fix)
        return
    for check in (_check_region, _check_group, _check_profiles, _check_name, check_instances):
        try:
            yield from check(aws, cluster)
        except PaloError as error:
            yield fault("account", f"{error.fact}: {error.seen}", error.fix)
    yield from check_bucket(aws, s3_location.parse(settings.store))
    yield from _check_keys(cluster)


def check_settings(settings: ClusterSettings, folder: Path) -> Iterator[Finding]:
    """Yields whether the files of a cluster hold what its settings say.

    Args:
        settings: The settings.
        folder: The folder with the files.
    """
    differing = [file.path.name for file in stamp_all(settings, folder) if file.changed]
    if differing:
        yield fault(
            "settings", f"{', '.join(differing)}: not what {SETTINGS} says", "Run make cluster."
        )
    else:
        yield good("settings", f"all files hold what {SETTINGS} says")


def _check_region(aws: Aws, cluster: ClusterFile) -> Iterator[Finding]:
    found = aws.ask("ec2", lambda ec2: ec2.describe_regions(AllRegions=True))["Regions"]
    state = {one["RegionName"]: one.get("OptInStatus") for one in found}.get(cluster.region)
    if state == "not-opted-in":
        yield fault(
            "region",
            f"{cluster.region} is not enabled for this account",
            f"Enable it: aws account enable-region --region-name {cluster.region}.",
        )
    subnets = aws.ask(
        "ec2",
        lambda ec2: ec2.describe_subnets(
            Filters=[{"Name": "map-public-ip-on-launch", "Values": ["true"]}]
        ),
    )["Subnets"]
    if not subnets:
        yield fault(
            "network",
            f"{cluster.region} has no subnet that gives public addresses",
            "Create the default network: aws ec2 create-default-vpc.",
        )


def _check_group(aws: Aws, cluster: ClusterFile) -> Iterator[Finding]:
    wanted = [{"Name": "group-name", "Values": [cluster.group]}]
    groups = aws.ask("ec2", lambda ec2: ec2.describe_security_groups(Filters=wanted))
    found = groups["SecurityGroups"]
    if not found or not all(group["IpPermissions"] for group in found):
        yield fault(
            "security group",
            f"{cluster.group} is missing or empty: Ray would open SSH to the whole internet",
            _PREPARE,
        )
        return
    ranges = [
        address["CidrIp"]
        for group in found
        for rule in group["IpPermissions"]
        for address in rule.get("IpRanges", [])
    ]
    wrong = {address: reason for address in ranges if (reason := address_fault(address))}
    for address, reason in wrong.items():
        yield fault(
            "security group", f"{cluster.group} lets {address} in, which {reason}", _PREPARE
        )
    if not wrong:
        yield good("security group", f"{cluster.group} lets {', '.join(sorted(set(ranges)))} in")


def _check_profiles(aws: Aws, cluster: ClusterFile) -> Iterator[Finding]:
    pages = aws.ask("iam", _all_profiles)
    roles = {one["InstanceProfileName"]: one["Roles"] for one in pages}
    for name in dict.fromkeys(kind.profile for kind in cluster.types):
        if roles.get(name):
            yield good("rights", f"instance profile {name}")
        else:
            yield fault("rights", f"there is no instance profile {name} with a role", _PREPARE)


def _all_profiles(iam: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - boto3 client
    pages = iam.get_paginator("list_instance_profiles").paginate()
    return [profile for page in pages for profile in page["InstanceProfiles"]]


def _check_name(aws: Aws, cluster: ClusterFile) -> Iterator[Finding]:
    """Yields whether a cluster of this name is up: a second `ray up` would change that one."""
    wanted = [
        {"Name": _CLUSTER_TAG, "Values": [cluster.name]},
        {"Name": _KIND_TAG, "Values": ["head"]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    answer = aws.ask("ec2", lambda ec2: ec2.describe_instances(Filters=wanted))
    heads = [one for found in answer["Reservations"] for one in found["Instances"]]
    if heads:
        since = f"{heads[0]['LaunchTime']:%Y-%m-%d %H:%M}"
        yield warning(
            "name",
            f"a cluster {cluster.name} is up since {since} ({heads[0]['InstanceId']})",
            "ray up changes that one: for a second one set another name in cluster/palo.toml.",
        )
    else:
        yield good("name", f"no cluster {cluster.name} is up")


def _check_keys(cluster: ClusterFile) -> Iterator[Finding]:
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN).expanduser()
    if token.is_file():
        yield check_private(token, "token")
    else:
        yield fault(
            "token",
            f"{token} is missing, and every node demands it",
            "Run ray get-auth-token --generate once.",
        )
    if cluster.key is not None:
        yield check_private(cluster.key, "SSH key")
        return
    # Ray makes a key for each region, and takes the one that it finds here.
    for path in sorted(Path("~/.ssh").expanduser().glob(f"ray-autoscaler*{cluster.region}.pem")):
        yield check_private(path, "SSH key")
