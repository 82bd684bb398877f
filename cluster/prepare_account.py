"""Prepares an AWS account for `ray up`: closed ports, and no more rights than the nodes need.

    python cluster/prepare_account.py --cidr 203.0.113.7/32 --bucket my-palo-data

Names and region come from ray_cluster.yaml. Running it again brings everything back to this state.
"""

import argparse
import ipaddress
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from palo.errors import ConfigError, PaloError, ResourceError

_CLUSTER = Path(__file__).with_name("ray_cluster.yaml")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
_LAUNCH_ACTIONS = [
    "ec2:Describe*",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
    "ec2:CreateTags",
    "ec2:DeleteTags",
]
_BUCKET_ACTIONS = ["s3:ListBucket", "s3:GetBucketLocation"]
_OBJECT_ACTIONS = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]


def check_cidr(cidr: str) -> str:
    """Returns the range of addresses that may open SSH, unless it is wrong or the whole world.

    Raises:
        ConfigError: If it is no range, or one that lets everybody in.
    """
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ConfigError(
            "--cidr is no range of IPv4 addresses",
            seen=error,
            fix="Give your own address, for example 203.0.113.7/32.",
        ) from error
    if network.prefixlen < 8:
        raise ConfigError(
            "--cidr lets half the internet in",
            seen=cidr,
            fix="Give your own address, for example 203.0.113.7/32.",
        )
    return str(network)


def wanted_rules(group_id: str, cidr: str) -> list[dict[str, Any]]:
    """Returns the only two ways in: SSH from one range, and anything from inside the group."""
    return [
        {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "IpRanges": [{"CidrIp": cidr, "Description": "SSH to PALO nodes"}],
        },
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]},
    ]


def close_ports(ec2: Any, group_name: str, cidr: str) -> list[str]:  # noqa: ANN401 - boto3 client
    """Makes the group in every network that Ray might choose, and replaces whatever rules it has.

    Ray takes the first network with public subnets, so a group in the default network alone would
    leave a gap in an account with several.

    Returns:
        The ids of the groups.

    Raises:
        ResourceError: If the region has no subnet with public addresses.
    """
    subnets = ec2.describe_subnets(
        Filters=[{"Name": "map-public-ip-on-launch", "Values": ["true"]}]
    )
    networks = sorted({subnet["VpcId"] for subnet in subnets["Subnets"]})
    if not networks:
        raise ResourceError(
            "this region has no subnet that gives public addresses",
            fix="Create the default network: aws ec2 create-default-vpc.",
        )
    return [_closed_group(ec2, vpc, group_name, cidr) for vpc in networks]


def _closed_group(ec2: Any, vpc: str, name: str, cidr: str) -> str:  # noqa: ANN401 - boto3 client
    filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
    found = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if found:
        group_id: str = found[0]["GroupId"]
        if found[0]["IpPermissions"]:
            ec2.revoke_security_group_ingress(
                GroupId=group_id, IpPermissions=found[0]["IpPermissions"]
            )
    else:
        created = ec2.create_security_group(
            GroupName=name, Description="PALO on Ray: SSH from one range only", VpcId=vpc
        )
        group_id = created["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=wanted_rules(group_id, cidr)
    )
    return group_id


def storage_rights(bucket: str) -> list[dict[str, Any]]:
    """Returns the rights of every node: the objects of one bucket."""
    return [
        {"Effect": "Allow", "Action": _BUCKET_ACTIONS, "Resource": f"arn:aws:s3:::{bucket}"},
        {"Effect": "Allow", "Action": _OBJECT_ACTIONS, "Resource": f"arn:aws:s3:::{bucket}/*"},
    ]


def launch_rights(worker_role: str) -> list[dict[str, Any]]:
    """Returns the rights that the head needs on top: to launch workers and hand them their role."""
    return [
        {"Effect": "Allow", "Action": _LAUNCH_ACTIONS, "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": worker_role},
        {
            "Effect": "Allow",
            "Action": "ssm:GetParameters",
            "Resource": "arn:aws:ssm:*::parameter/aws/service/*",
        },
    ]


def grant(iam: Any, name: str, rights: list[dict[str, Any]]) -> str:  # noqa: ANN401 - boto3 client
    """Makes a role and an instance profile of this name; returns the ARN of the role."""
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
    except iam.exceptions.EntityAlreadyExistsException:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(_TRUST))
    policy = {"Version": "2012-10-17", "Statement": rights}
    iam.put_role_policy(RoleName=name, PolicyName="palo", PolicyDocument=json.dumps(policy))
    profiles = {p["InstanceProfileName"] for p in _profiles(iam)}
    if name not in profiles:
        iam.create_instance_profile(InstanceProfileName=name)
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    if name not in {role["RoleName"] for role in profile["Roles"]}:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    arn: str = iam.get_role(RoleName=name)["Role"]["Arn"]
    return arn


def _profiles(iam: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - boto3 client
    pages = iam.get_paginator("list_instance_profiles").paginate()
    return [profile for page in pages for profile in page["InstanceProfiles"]]


def _profile_name(cluster: dict[str, Any], *, head: bool) -> str:
    types = cluster["available_node_types"]
    head_type = cluster["head_node_type"]
    chosen = types[head_type] if head else next(t for n, t in types.items() if n != head_type)
    name: str = chosen["node_config"]["IamInstanceProfile"]["Name"]
    return name


def prepare(cidr: str, bucket: str) -> list[str]:
    """Brings the account into the state that ray_cluster.yaml expects; returns what it made."""
    cluster = yaml.safe_load(_CLUSTER.read_text(encoding="utf-8"))
    provider = cluster["provider"]
    try:
        ec2 = boto3.client("ec2", region_name=provider["region"])
        iam = boto3.client("iam")
        groups = close_ports(ec2, provider["security_group"]["GroupName"], check_cidr(cidr))
        storage = storage_rights(bucket)
        worker_role = grant(iam, _profile_name(cluster, head=False), storage)
        head_role = grant(
            iam, _profile_name(cluster, head=True), storage + launch_rights(worker_role)
        )
    except (BotoCoreError, ClientError) as error:
        raise ResourceError(
            "AWS refused",
            seen=error,
            fix="Check your credentials (aws sts get-caller-identity) and your rights.",
        ) from error
    return [*(f"security group {group}" for group in groups), worker_role, head_role]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cidr", required=True, help="addresses that may open SSH")
    parser.add_argument("--bucket", required=True, help="S3 bucket for corpora and models")
    options = parser.parse_args(arguments)
    try:
        made = prepare(options.cidr, options.bucket)
    except PaloError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(["Ready:", *made]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
