"""Puts a load balancer of AWS, with TLS and a public name, in front of the endpoint on the head.

    python cluster/load_balancer.py --certificate ARN             # what it would make
    python cluster/load_balancer.py --certificate ARN --apply     # makes it, or renews it
    python cluster/load_balancer.py --delete --apply              # ends it and its costs

Name and region come from ray_cluster.yaml; the certificate is one of ACM in that region. Without
--apply nothing is changed. Run it again after `ray up` has made another head.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from palo.doctor.aws import Aws
from palo.doctor.cluster_file import ClusterFile, read_cluster_file
from palo.errors import ConfigError, PaloError, ResourceError
from palo.storage.s3_requests import code_of

_CLUSTER = Path(__file__).with_name("ray_cluster.yaml")
_COST_TAG = "palo-cluster"
_HTTPS = 443
_EVERYBODY = "0.0.0.0/0"
_TLS = "ELBSecurityPolicy-TLS13-1-2-2021-06"  # TLS 1.2 and 1.3
# Above the endpoint's timeout_s of 300: a stream may be silent for as long as it computes.
_IDLE_S = "330"
_HEALTH = {
    "HealthCheckPath": "/healthz",
    "HealthCheckIntervalSeconds": 10,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 3,
}
_ANSWERS = {"load_balancer": "LoadBalancers", "target_group": "TargetGroups"}
_ATTRIBUTES = {
    "idle_timeout.timeout_seconds": _IDLE_S,
    "routing.http.drop_invalid_header_fields.enabled": "true",
    "routing.http.xff_header_processing.mode": "append",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The running head of a cluster.

    Attributes:
        instance: Its id.
        network: The network (VPC) that it is in.
        groups: Its security groups.
        subnets: Subnets of its network with public addresses, one in each zone.
    """

    instance: str
    network: str
    groups: tuple[str, ...]
    subnets: tuple[str, ...]


def find_head(aws: Aws, cluster: ClusterFile) -> Head:
    """Returns the running head.

    Args:
        aws: The account.
        cluster: The cluster.

    Raises:
        ResourceError: If none runs, or its network reaches one zone only.
    """
    ec2 = aws.client("ec2")
    wanted = {
        "tag:ray-cluster-name": [cluster.name],
        "tag:ray-node-type": ["head"],
        "instance-state-name": ["running"],
    }
    found = ec2.describe_instances(Filters=_filters(wanted))["Reservations"]
    instances = [one for each in found for one in each["Instances"]]
    if not instances:
        raise ResourceError(
            "no head runs", seen=f"{cluster.name} in {aws.region}", fix="Start it: ray up."
        )
    head = instances[0]
    inside = {"vpc-id": [head["VpcId"]], "map-public-ip-on-launch": ["true"]}
    subnets = ec2.describe_subnets(Filters=_filters(inside))["Subnets"]
    by_zone = {one["AvailabilityZone"]: one["SubnetId"] for one in subnets}
    if len(by_zone) < 2:
        raise ResourceError(
            "a load balancer needs public subnets in two zones of the head's network",
            seen=", ".join(sorted(by_zone)) or "none",
            fix=f"Add a subnet to {head['VpcId']} in another zone.",
        )
    return Head(
        instance=head["InstanceId"],
        network=head["VpcId"],
        groups=tuple(one["GroupId"] for one in head["SecurityGroups"]),
        subnets=tuple(subnet for _, subnet in sorted(by_zone.items())),
    )


def require_certificate(aws: Aws, arn: str) -> str:
    """Returns the name that a certificate is for.

    Args:
        aws: The account.
        arn: The certificate.

    Raises:
        ConfigError: If it lies in another region or isn't issued.
    """
    parts = arn.split(":")
    if len(parts) < 6 or parts[2] != "acm" or parts[3] != aws.region:
        raise ConfigError(
            f"the certificate must be one of ACM in {aws.region}",
            seen=arn,
            fix=f"Request one: aws acm request-certificate --region {aws.region} "
            "--validation-method DNS --domain-name NAME.",
        )
    try:
        found = aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        raise ConfigError("there is no such certificate", seen=arn, fix="See ACM.") from error
    if found["Status"] != "ISSUED":
        raise ConfigError(
            "the certificate isn't issued", seen=found["Status"], fix="Finish its validation."
        )
    return str(found["DomainName"])


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadBalancer:
    """The load balancer of a cluster's endpoint, and what belongs to it.

    Attributes:
        aws: The account.
        cluster: Name of the cluster, which all names begin with.
        port: Port of the endpoint on the head.
    """

    aws: Aws
    cluster: str
    port: int

    @property
    def name(self) -> str:
        """The name of the load balancer and of its group of targets."""
        return f"{self.cluster}-endpoint"

    def make(self, head: Head, certificate: str, clients: str) -> str:
        """Makes everything that is missing, and leads it to this head.

        Args:
            head: The running head.
            certificate: ARN of its certificate.
            clients: The range of addresses that may connect.

        Returns:
            The address that the public name must lead to.
        """
        elb, ec2 = self.aws.client("elbv2"), self.aws.client("ec2")
        outside = self._group(head.network, f"{self.name}-public", "HTTPS from clients")
        inside = self._group(head.network, f"{self.name}-head", "the load balancer, to the head")
        self._let_in(outside, _HTTPS, {"IpRanges": [{"CidrIp": clients}]})
        self._let_in(inside, self.port, {"UserIdGroupPairs": [{"GroupId": outside}]})
        if inside not in head.groups:
            # Of its own, since the cluster's group is every node's: workers stay closed.
            ec2.modify_instance_attribute(InstanceId=head.instance, Groups=[*head.groups, inside])
        targets = self._made(
            "target_group",
            Protocol="HTTP",
            Port=self.port,
            VpcId=head.network,
            TargetType="instance",
            **_HEALTH,
        )["TargetGroupArn"]
        self._lead_to(targets, head.instance)
        balancer = self._made(
            "load_balancer",
            Subnets=list(head.subnets),
            SecurityGroups=[outside],
            Scheme="internet-facing",
        )
        arn = balancer["LoadBalancerArn"]
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn,
            Attributes=[{"Key": key, "Value": value} for key, value in _ATTRIBUTES.items()],
        )
        self._listen(arn, targets, certificate)
        return str(balancer["DNSName"])

    def delete(self) -> list[str]:
        """Ends the load balancer and what belongs to it; returns what there was.

        A security group can't be deleted while the load balancer's interfaces are still there, some
        minutes: run it again then.
        """
        elb, ec2 = self.aws.client("elbv2"), self.aws.client("ec2")
        gone = []
        for balancer in self._found("load_balancer"):
            elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
            gone.append(f"load balancer {self.name}")
        for targets in self._found("target_group"):
            elb.delete_target_group(TargetGroupArn=targets["TargetGroupArn"])
            gone.append(f"target group {self.name}")
        for role in ("head", "public"):
            for group in self._groups({"group-name": [f"{self.name}-{role}"]}):
                self._leave(group["GroupId"])
                ec2.delete_security_group(GroupId=group["GroupId"])
                gone.append(f"security group {group['GroupName']}")
        return gone

    @property
    def _tags(self) -> list[dict[str, str]]:
        return [{"Key": _COST_TAG, "Value": self.cluster}]

    def _made(self, kind: str, **settings: object) -> dict[str, Any]:
        """Returns the one of this name, made now if there is none."""
        for found in self._found(kind):
            return found
        create = getattr(self.aws.client("elbv2"), f"create_{kind}")
        answer = create(Name=self.name, Tags=self._tags, **settings)
        made: dict[str, Any] = answer[_ANSWERS[kind]][0]
        return made

    def _found(self, kind: str) -> list[dict[str, Any]]:
        describe = getattr(self.aws.client("elbv2"), f"describe_{kind}s")
        try:
            return list(describe(Names=[self.name])[_ANSWERS[kind]])
        except ClientError as error:
            if code_of(error) in ("LoadBalancerNotFound", "TargetGroupNotFound"):
                return []
            raise

    def _groups(self, wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
        ec2 = self.aws.client("ec2")
        answer = ec2.describe_security_groups(Filters=_filters(wanted))
        return list(answer["SecurityGroups"])

    def _group(self, network: str, name: str, purpose: str) -> str:
        for found in self._groups({"group-name": [name], "vpc-id": [network]}):
            return str(found["GroupId"])
        specified = [{"ResourceType": "security-group", "Tags": self._tags}]
        made = self.aws.client("ec2").create_security_group(
            GroupName=name, Description=purpose, VpcId=network, TagSpecifications=specified
        )
        return str(made["GroupId"])

    def _let_in(self, group: str, port: int, source: dict[str, Any]) -> None:
        """Makes this the only rule of a group."""
        ec2 = self.aws.client("ec2")
        (found,) = self._groups({"group-id": [group]})
        if found["IpPermissions"]:
            ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=found["IpPermissions"])
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])

    def _lead_to(self, targets: str, instance: str) -> None:
        elb = self.aws.client("elbv2")
        health = elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"]
        # An earlier head.
        if old := [one["Target"] for one in health if one["Target"]["Id"] != instance]:
            elb.deregister_targets(TargetGroupArn=targets, Targets=old)
        elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": instance}])

    def _listen(self, balancer: str, targets: str, certificate: str) -> None:
        elb = self.aws.client("elbv2")
        wanted = {
            "Protocol": "HTTPS",
            "Port": _HTTPS,
            "SslPolicy": _TLS,
            "Certificates": [{"CertificateArn": certificate}],
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": targets}],
        }
        if found := elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]:
            elb.modify_listener(ListenerArn=found[0]["ListenerArn"], **wanted)
        else:
            elb.create_listener(LoadBalancerArn=balancer, **wanted)

    def _leave(self, group: str) -> None:
        """Takes a group from the instances that have it."""
        ec2 = self.aws.client("ec2")
        having = ec2.describe_instances(Filters=_filters({"instance.group-id": [group]}))
        for instance in (one for each in having["Reservations"] for one in each["Instances"]):
            left = [one["GroupId"] for one in instance["SecurityGroups"] if one["GroupId"] != group]
            ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=left)


def _filters(wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": values} for name, values in wanted.items()]


def _run(options: argparse.Namespace) -> list[str]:
    cluster = read_cluster_file(_CLUSTER)
    aws = Aws(cluster.region)
    balancer = LoadBalancer(aws=aws, cluster=cluster.name, port=options.port)
    try:
        # Before the account is asked: a certificate of no use is told without credentials, too.
        public = "" if options.delete else require_certificate(aws, options.certificate)
        account = f"account {aws.account}, {aws.region}"
        if options.delete:
            if not options.apply:
                return [account, f"would delete {balancer.name}: add --apply"]
            return [account, *(f"deleted {one}" for one in balancer.delete())]
        head = find_head(aws, cluster)
        if not options.apply:
            return [
                account,
                f"would make {balancer.name}: https://{public} from {options.clients}, TLS 1.2 and "
                f"1.3, in {', '.join(head.subnets)}",
                f"would open port {options.port} of the head {head.instance} to it alone",
                "add --apply",
            ]
        address = balancer.make(head, options.certificate, options.clients)
        (network,) = aws.client("ec2").describe_vpcs(VpcIds=[head.network])["Vpcs"]
    except (BotoCoreError, ClientError) as error:
        raise aws.told(error) from error
    return [
        account,
        f"lead {public} to {address} (a CNAME, or an alias in Route 53)",
        "and start the endpoint with host 0.0.0.0, access.proxy.public_url "
        f"https://{public}, access.proxy.trusted [{network['CidrBlock']}]",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--certificate", help="ARN of an issued certificate of ACM")
    parser.add_argument("--clients", default=_EVERYBODY, help="addresses that may connect")
    parser.add_argument("--port", type=int, default=8000, help="the endpoint's on the head")
    parser.add_argument("--delete", action="store_true", help="ends it instead")
    parser.add_argument("--apply", action="store_true", help="does it; else it is only told")
    options = parser.parse_args(arguments)
    if options.delete == (options.certificate is not None):
        parser.error("give --certificate, or --delete")
    try:
        told = _run(options)
    except PaloError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(told))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
