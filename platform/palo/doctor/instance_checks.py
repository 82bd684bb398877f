"""Checks of the instances that a cluster would start: their types, images and quotas."""

import difflib
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from palo.doctor.aws import Aws
from palo.doctor.cluster_file import ClusterFile, NodeType
from palo.doctor.finding import Finding, fault, good, warning
from palo.errors import PaloError

_PARAMETER = "resolve:ssm:"
# Service quotas of EC2 in vCPUs, on demand and spot, by the families that share one.
# Source: the table of EC2 in AWS' general reference.
_QUOTAS = {
    "standard": ("L-1216C47A", "L-34B43A08"),
    "G and VT": ("L-DB2E81BA", "L-3819A6DF"),
    "P": ("L-417A185B", "L-7212CCBC"),
}
_STANDARD = {"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"}
_KIND = "accelerator_type:"


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceFacts:
    """What EC2 says about a type of instance.

    Attributes:
        cpus: Its vCPUs.
        gpus: Its GPUs.
        gpu_kind: Name of their kind.
    """

    cpus: int
    gpus: int
    gpu_kind: str


def check_instances(aws: Aws, cluster: ClusterFile) -> Iterator[Finding]:
    """Yields whether each type of instance is offered, is as described, and may be started.

    Args:
        aws: The account.
        cluster: The cluster.
    """
    facts: dict[str, InstanceFacts] = {}
    for instance in sorted({one.instance for one in cluster.types}):
        try:
            found = _facts(aws, instance)
        except PaloError as error:
            yield fault("instances", f"{error.fact}: {error.seen}", error.fix)
            continue
        if isinstance(found, Finding):
            yield found
        else:
            facts[instance] = found
    for kind in cluster.types:
        if kind.instance in facts:
            yield _compare(kind, facts[kind.instance])
    yield from _check_images(aws, {one.image for one in cluster.types})
    yield from check_quotas(aws, cluster, facts)


def _facts(aws: Aws, instance: str) -> InstanceFacts | Finding:
    # Those that this version of boto3 knows.
    known: list[str] = aws.client("ec2").meta.service_model.shape_for("InstanceType").enum
    if instance not in known:
        near = difflib.get_close_matches(instance, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        return fault(
            "instances",
            f"EC2 has no instance type {instance!r}",
            f"{hint}Change it in cluster/palo.toml, and run make cluster.",
        )
    wanted = [{"Name": "instance-type", "Values": [instance]}]
    offered = aws.ask(
        "ec2",
        lambda ec2: ec2.describe_instance_type_offerings(LocationType="region", Filters=wanted),
    )
    if not offered["InstanceTypeOfferings"]:
        return fault(
            "instances",
            f"{instance} isn't offered in {aws.region}",
            "Take another type or another region, in cluster/palo.toml, and run make cluster.",
        )
    answer = aws.ask("ec2", lambda ec2: ec2.describe_instance_types(InstanceTypes=[instance]))
    described = answer["InstanceTypes"][0]
    gpus = described.get("GpuInfo", {}).get("Gpus", [])
    return InstanceFacts(
        cpus=described["VCpuInfo"]["DefaultVCpus"],
        gpus=sum(gpu["Count"] for gpu in gpus),
        gpu_kind=gpus[0]["Name"].replace(" ", "-") if gpus else "",
    )


def _compare(kind: NodeType, facts: InstanceFacts) -> Finding:
    """Returns whether Ray would be told of more than an instance has."""
    said = kind.resources
    kinds = [name.removeprefix(_KIND) for name in said if name.startswith(_KIND)]
    wrong = []
    if said.get("CPU", 0) > facts.cpus:
        wrong.append(f"{said['CPU']} CPUs for {facts.cpus}")
    if said.get("GPU", 0) != facts.gpus:
        wrong.append(f"{said.get('GPU', 0)} GPUs for {facts.gpus}")
    if kinds and facts.gpu_kind and not kinds[0].startswith(facts.gpu_kind):
        wrong.append(f"{kinds[0]} for {facts.gpu_kind}")
    if wrong:
        return fault(
            "instances",
            f"{kind.name} says of {kind.instance}: {', '.join(wrong)}",
            "Correct it in cluster/palo.toml, and run make cluster.",
        )
    gpus = f", {facts.gpus} {facts.gpu_kind}" if facts.gpus else ""
    return good("instances", f"{kind.name}: {kind.instance}, {facts.cpus} vCPUs{gpus}")


def _check_images(aws: Aws, images: set[str]) -> Iterator[Finding]:
    for image in sorted(images):
        try:
            found = _image(aws, image)
        except PaloError as error:
            yield fault("image", f"{image}: {error.fact}: {error.seen}", error.fix)
            continue
        if found:
            yield good("image", found)
        else:
            yield fault(
                "image",
                f"{image} leads to no machine image in {aws.region}",
                "Name one that is there, or a parameter, in cluster/palo.toml.",
            )


def _image(aws: Aws, image: str) -> str:
    """Returns the id of a machine image; empty if there is none."""
    if image.startswith(_PARAMETER):
        name = image.removeprefix(_PARAMETER)
        answer = aws.ask("ssm", lambda ssm: ssm.get_parameters(Names=[name]))
        return next((str(one["Value"]) for one in answer["Parameters"]), "")
    wanted = [{"Name": "image-id", "Values": [image]}]
    found = aws.ask("ec2", lambda ec2: ec2.describe_images(Filters=wanted))
    return next((str(one["ImageId"]) for one in found["Images"]), "")


def check_quotas(
    aws: Aws, cluster: ClusterFile, facts: Mapping[str, InstanceFacts]
) -> Iterator[Finding]:
    """Yields whether the account may start the instances, and as many as the cluster may ask for.

    Args:
        aws: The account.
        cluster: The cluster.
        facts: Facts of its instances, by type.
    """
    needed: dict[tuple[str, bool], list[tuple[NodeType, int]]] = defaultdict(list)
    for kind in cluster.types:
        if kind.instance in facts:
            needed[_family(kind.instance), kind.is_spot].append((kind, facts[kind.instance].cpus))
    for (family, is_spot), kinds in sorted(needed.items()):
        name = f"{family} {'spot' if is_spot else 'on-demand'} instances"
        if family not in _QUOTAS:
            yield warning("quota", f"of {name} isn't known here", "Look under Service Quotas.")
            continue
        try:
            quota = _quota(aws, _QUOTAS[family][is_spot])
        except PaloError as error:
            yield warning("quota", f"of {name} can't be asked: {error.seen}", error.fix)
            continue
        yield _judge(name, quota, kinds, _QUOTAS[family][is_spot])


def _family(instance: str) -> str:
    letters = re.match("[a-z]+", instance)
    first = letters[0] if letters else instance
    if first.startswith("vt") or first in ("g", "gr"):
        return "G and VT"
    return "P" if first == "p" else "standard" if first in _STANDARD else first


def _quota(aws: Aws, code: str) -> float:
    client = aws.client("service-quotas")
    try:
        answer: dict[str, Any] = client.get_service_quota(ServiceCode="ec2", QuotaCode=code)
    except (BotoCoreError, ClientError) as error:
        raise aws.told(error) from error
    return float(answer["Quota"]["Value"])


def _judge(name: str, quota: float, kinds: list[tuple[NodeType, int]], code: str) -> Finding:
    """Returns whether a quota holds one node of each type, and all of them."""
    one = max(cpus for _, cpus in kinds)
    every = sum(cpus * kind.most for kind, cpus in kinds)
    names = ", ".join(kind.name for kind, _ in kinds)
    text = f"{quota:.0f} vCPUs of {name} ({names}, at most {every})"
    fix = f"Ask for {math.ceil(every)} under Service Quotas, EC2, {code}: it takes days for P."
    if quota < one:
        return fault("quota", f"{text}: not one node of {one}", fix)
    if quota < every:
        return warning("quota", text, f"Fewer nodes will start than max_nodes. {fix}")
    return good("quota", text)
