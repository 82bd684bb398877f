"""Prepares an AWS account for `ray up`: closed ports, and no more rights than the nodes need.

    python cluster/prepare_account.py                             # as cluster/palo.toml says
    python cluster/prepare_account.py --cidr 203.0.113.7/32 --bucket my-palo-data
    python cluster/prepare_account.py --budget 2000 --email me@example.org

Names and region come from ray_cluster.yaml. Credentials, region, addresses and bucket are checked
before anything is changed. Running it again brings everything back to this state.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from palo.doctor.aws import Aws
from palo.doctor.bucket_checks import lifecycle_rules, require_bucket
from palo.doctor.cluster_file import ClusterFile, read_cluster_file
from palo.doctor.settings import address_fault, bucket_fault, read_settings
from palo.errors import ConfigError, PaloError, ResourceError
from palo.storage import s3_location
from palo.storage.s3_requests import code_of

_CLUSTER = Path(__file__).with_name("ray_cluster.yaml")
_SETTINGS = Path(__file__).with_name("palo.toml")
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
_COST_TAG = "palo-cluster"
_RAYS_TAG = "ray-cluster-name"
_OWN_INSTANCES = [
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
]
# What a launch takes beside the instance itself.
_LAUNCHED_WITH = ("key-pair", "network-interface", "security-group", "subnet", "volume")
_BUCKET_ACTIONS = ["s3:ListBucket", "s3:GetBucketLocation"]
_OBJECT_ACTIONS = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]
_LEFTOVERS = {
    "ID": "palo-broken-uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}


def check_cidr(cidr: str) -> str:
    """Returns the range of addresses that may open SSH, unless it is wrong or far too wide.

    Raises:
        ConfigError: If it is.
    """
    if wrong := address_fault(cidr):
        raise ConfigError(
            f"the range of addresses {wrong}",
            seen=repr(cidr),
            fix="Give your own address, for example 203.0.113.7/32.",
        )
    return cidr


def check_bucket_name(bucket: str) -> str:
    """Returns the name of a bucket, unless there can be none of that name.

    Raises:
        ConfigError: If there can't.
    """
    if wrong := bucket_fault(bucket):
        raise ConfigError(
            f"the bucket's name {wrong}", seen=repr(bucket), fix="Give --bucket, or set store."
        )
    return bucket


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
            GroupName=name,
            Description="PALO on Ray: SSH from one range only",
            VpcId=vpc,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": _tags(name)}],
        )
        group_id = created["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=wanted_rules(group_id, cidr)
    )
    return group_id


def _tags(cluster: str) -> list[dict[str, str]]:
    return [{"Key": _COST_TAG, "Value": cluster}]


def storage_rights(bucket: str, partition: str = "aws") -> list[dict[str, Any]]:
    """Returns the rights of every node: the objects of one bucket."""
    arn = f"arn:{partition}:s3:::{bucket}"
    return [_allowed(_BUCKET_ACTIONS, arn), _allowed(_OBJECT_ACTIONS, f"{arn}/*")]


def launch_rights(aws: Aws, cluster: ClusterFile, worker_role: str) -> list[dict[str, Any]]:
    """Returns the rights that the head needs on top: to start workers, and to end its own."""
    prefix = f"arn:{aws.partition}:ec2:{aws.region}:{aws.account}"
    workers = sorted({one.instance for one in cluster.types if one.name != cluster.head})
    others = [f"{prefix}:{kind}/*" for kind in _LAUNCHED_WITH]
    images = f"arn:{aws.partition}:ec2:{aws.region}::image/*"
    ours = {"aws:ResourceTag/" + _RAYS_TAG: cluster.name}
    asked = {"aws:RequestTag/" + _RAYS_TAG: cluster.name, "ec2:InstanceType": workers}
    return [
        _allowed(["ec2:Describe*"], "*"),  # which EC2 can't restrict
        _allowed(["ec2:RunInstances"], f"{prefix}:instance/*", asked),
        _allowed(["ec2:RunInstances"], [*others, images, f"{prefix}:spot-instances-request/*"]),
        _allowed(
            ["ec2:CreateTags"],
            [f"{prefix}:{kind}/*" for kind in ("instance", "volume")],
            {"ec2:CreateAction": "RunInstances"},
        ),
        _allowed(_OWN_INSTANCES, f"{prefix}:instance/*", ours),
        _allowed(["iam:PassRole"], worker_role, {"iam:PassedToService": "ec2.amazonaws.com"}),
        _allowed(["ssm:GetParameters"], f"arn:{aws.partition}:ssm:*::parameter/aws/service/*"),
    ]


def _allowed(
    actions: Iterable[str], resource: str | list[str], equal: dict[str, Any] | None = None
) -> dict[str, Any]:
    right: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return right | ({"Condition": {"StringEquals": equal}} if equal else {})


def grant(iam: Any, name: str, rights: list[dict[str, Any]], cluster: str) -> str:  # noqa: ANN401 - boto3 client
    """Makes a role and an instance profile of this name; returns the ARN of the role."""
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
    except iam.exceptions.EntityAlreadyExistsException:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(_TRUST))
    iam.tag_role(RoleName=name, Tags=_tags(cluster))
    policy = {"Version": "2012-10-17", "Statement": rights}
    iam.put_role_policy(RoleName=name, PolicyName="palo", PolicyDocument=json.dumps(policy))
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):  # of an earlier run
        iam.create_instance_profile(InstanceProfileName=name)
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    if name not in {role["RoleName"] for role in profile["Roles"]}:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    arn: str = iam.get_role(RoleName=name)["Role"]["Arn"]
    return arn


def allow_spot(iam: Any) -> None:  # noqa: ANN401 - boto3 client
    """Makes the role by which EC2 starts spot instances; an account that never had one lacks it."""
    try:
        iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    except ClientError as error:
        if code_of(error) not in ("InvalidInput", "EntityAlreadyExists"):  # it is there
            raise


def end_broken_uploads(aws: Aws, bucket: str) -> None:
    """Adds the rule that removes what is left of broken uploads; other rules stay."""
    others = [rule for rule in lifecycle_rules(aws, bucket) if rule.get("ID") != _LEFTOVERS["ID"]]
    aws.client("s3").put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [*others, _LEFTOVERS]}
    )


def watch_costs(aws: Aws, cluster: str, dollars: int, email: str) -> None:
    """Has AWS write a mail when a cluster's month has cost 80 % of a sum, or may cost all of it."""
    budgets = aws.client("budgets")
    budget = {
        "BudgetName": f"{cluster}-month",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": str(dollars), "Unit": "USD"},
        "CostFilters": {"TagKeyValue": [f"user:{_COST_TAG}${cluster}"]},
    }
    notices = [
        {
            "Notification": {
                "NotificationType": kind,
                "ComparisonOperator": "GREATER_THAN",
                "Threshold": percent,
                "ThresholdType": "PERCENTAGE",
            },
            "Subscribers": [{"SubscriptionType": "EMAIL", "Address": email}],
        }
        for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
    ]
    with contextlib.suppress(budgets.exceptions.NotFoundException):  # the first run
        budgets.delete_budget(AccountId=aws.account, BudgetName=budget["BudgetName"])
    budgets.create_budget(
        AccountId=aws.account, Budget=budget, NotificationsWithSubscribers=notices
    )


def prepare(cidr: str, bucket: str) -> list[str]:
    """Brings the account into the state that ray_cluster.yaml expects; returns what it made."""
    check_cidr(cidr)
    check_bucket_name(bucket)
    cluster = read_cluster_file(_CLUSTER)
    aws = Aws(cluster.region)
    account = aws.account  # the first question: it needs credentials and a region that exists
    require_bucket(aws, bucket)
    iam = aws.client("iam")
    try:
        groups = close_ports(aws.client("ec2"), cluster.group, cidr)
        storage = storage_rights(bucket, aws.partition)
        workers = grant(iam, cluster.profile(head=False), storage, cluster.name)
        rights = storage + launch_rights(aws, cluster, workers)
        head = grant(iam, cluster.profile(head=True), rights, cluster.name)
        allow_spot(iam)
        end_broken_uploads(aws, bucket)
    except (BotoCoreError, ClientError) as error:
        raise aws.told(error) from error
    made = [*(f"security group {group}" for group in groups), workers, head]
    return [f"account {account}", *made, f"bucket {bucket}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cidr", help="addresses that may open SSH; palo.toml's by default")
    parser.add_argument("--bucket", help="bucket of the store; palo.toml's by default")
    parser.add_argument("--budget", type=int, help="dollars a month that a mail is written at")
    parser.add_argument("--email", help="who gets the mail")
    options = parser.parse_args(arguments)
    if (options.budget is None) != (options.email is None):
        parser.error("--budget and --email go together")
    try:
        settings = read_settings(_SETTINGS)
        bucket = options.bucket or s3_location.parse(settings.store).bucket
        made = prepare(options.cidr or settings.aws.address, bucket)
        if options.budget is not None:
            _watch(settings.name, settings.aws.region, options.budget, options.email)
            made.append(f"budget {options.budget} USD a month, told to {options.email}")
    except PaloError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(["Ready:", *made]))
    return 0


def _watch(cluster: str, region: str, dollars: int, email: str) -> None:
    aws = Aws(region)
    try:
        watch_costs(aws, cluster, dollars, email)
    except (BotoCoreError, ClientError) as error:
        raise aws.told(error) from error


if __name__ == "__main__":
    raise SystemExit(main())
