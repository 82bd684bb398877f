"""The cluster files pass Ray's own validation, and what Ray lets through is checked here."""

import copy
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import jsonschema
import pytest
import yaml
from botocore.model import Shape, StructureShape
from tests.fixtures.node_scheduler import Wish, ask_scheduler, bundle

_CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
_FILES = ("ray_cluster.yaml", "local.yaml")
# Ray takes these out again before it calls EC2.
_RAYS_OWN_PARAMETERS = {"SubnetIds"}


def _read(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((_CLUSTER / name).read_text(encoding="utf-8"))
    return values


def _validate(values: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(copy.deepcopy(values))
    validate_config(prepared)
    return prepared


@pytest.fixture(scope="module")
def aws() -> dict[str, Any]:
    return _read("ray_cluster.yaml")


@pytest.fixture(scope="module")
def run_instances() -> Shape:
    service = botocore.session.Session().get_service_model("ec2")
    return service.operation_model("RunInstances").input_shape


def _unknown_keys(values: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(values, list):
        for index, value in enumerate(values):
            yield from _unknown_keys(value, shape.member, f"{path}[{index}]")
    elif isinstance(shape, StructureShape) and not isinstance(values, dict):
        yield f"{path} must be a mapping"
    elif isinstance(shape, StructureShape):
        for key, value in values.items():
            if key in shape.members:
                yield from _unknown_keys(value, shape.members[key], f"{path}.{key}")
            elif key not in _RAYS_OWN_PARAMETERS:
                yield f"{path}.{key}"


@pytest.mark.parametrize("name", _FILES)
def test_ray_accepts_the_file(name: str) -> None:
    assert _validate(_read(name))["cluster_name"].startswith("palo")


@pytest.mark.parametrize("name", _FILES)
def test_ray_refuses_a_typo_at_the_top(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="max_wrokers"):
        _validate({**_read(name), "max_wrokers": 3})


def test_ray_refuses_a_head_that_is_no_node_type(aws: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="head_node_type"):
        _validate({**aws, "head_node_type": "haed"})


def test_every_node_parameter_is_one_of_ec2s(aws: dict[str, Any], run_instances: Shape) -> None:
    for name, kind in aws["available_node_types"].items():
        assert not list(_unknown_keys(kind["node_config"], run_instances, name))


@pytest.mark.parametrize(
    ("typo", "path"),
    [
        ({"InstanceTyp": "x"}, "data.InstanceTyp"),
        ({"BlockDeviceMappings": [{"Ebs": {"Size": 1}}]}, "data.BlockDeviceMappings[0].Ebs.Size"),
        ({"IamInstanceProfile": "palo-head"}, "data.IamInstanceProfile must be a mapping"),
    ],
)
def test_a_typo_in_a_node_is_found(run_instances: Shape, typo: dict[str, Any], path: str) -> None:
    assert list(_unknown_keys(typo, run_instances, "data")) == [path]


def test_every_instance_type_is_known_and_offers_what_we_say(aws: dict[str, Any]) -> None:
    service = botocore.session.Session().get_service_model("ec2")
    known = set(service.shape_for("InstanceType").enum)
    kinds = aws["available_node_types"]
    assert {kind["node_config"]["InstanceType"] for kind in kinds.values()} <= known
    gpus = {name: kind["resources"].get("GPU", 0) for name, kind in kinds.items()}
    assert gpus == {"head": 0, "data_spot": 0, "data_on_demand": 0, "train": 8, "serve": 1}


def test_nothing_is_scheduled_on_the_head(aws: dict[str, Any]) -> None:
    assert aws["available_node_types"][aws["head_node_type"]]["resources"] == {"CPU": 0}


def test_no_worker_costs_anything_before_it_is_asked_for(aws: dict[str, Any]) -> None:
    workers = {n: k for n, k in aws["available_node_types"].items() if n != aws["head_node_type"]}
    assert {kind["min_workers"] for kind in workers.values()} == {0}
    assert sum(kind["max_workers"] for kind in workers.values()) == aws["max_workers"]
    assert 0 < aws["idle_timeout_minutes"] <= 30
    assert aws["provider"]["cache_stopped_nodes"] is False


def test_only_data_workers_may_be_taken_away(aws: dict[str, Any]) -> None:
    spot = {
        name
        for name, kind in aws["available_node_types"].items()
        if "InstanceMarketOptions" in kind["node_config"]
    }
    assert spot == {"data_spot"}


def test_on_demand_stands_in_for_spot(aws: dict[str, Any]) -> None:
    spot, on_demand = (
        aws["available_node_types"][name] for name in ("data_spot", "data_on_demand")
    )
    assert spot["priority"] > on_demand["priority"]
    for key in ("resources", "labels", "max_workers"):
        assert spot[key] == on_demand[key]
    market = {"InstanceMarketOptions": {"MarketType": "spot"}}
    assert spot["node_config"] == on_demand["node_config"] | market


def test_rays_scheduler_takes_spot_until_there_was_none(aws: dict[str, Any]) -> None:
    task = bundle({"CPU": 1}, {})
    assert ask_scheduler(aws, Wish(tasks=[task])).nodes == {"data_spot": 1}
    without_spot = Wish(tasks=[task], failed={"data_spot": 0.0})
    assert ask_scheduler(aws, without_spot).nodes == {"data_on_demand": 1}


def test_whatever_costs_money_has_the_clusters_tag(aws: dict[str, Any]) -> None:
    for kind in aws["available_node_types"].values():
        tags = {
            one["ResourceType"]: one["Tags"] for one in kind["node_config"]["TagSpecifications"]
        }
        wanted = [{"Key": "palo-cluster", "Value": aws["cluster_name"]}]
        assert tags == {"instance": wanted, "volume": wanted}


def test_disks_are_encrypted_and_go_with_their_node(aws: dict[str, Any]) -> None:
    for kind in aws["available_node_types"].values():
        for mapping in kind["node_config"]["BlockDeviceMappings"]:
            assert mapping["Ebs"]["Encrypted"]
            assert mapping["Ebs"]["DeleteOnTermination"]


@pytest.mark.parametrize("name", _FILES)
def test_every_start_of_ray_demands_the_token(name: str) -> None:
    values = _read(name)
    environment = (_CLUSTER / "node_env.sh").read_text(encoding="utf-8")
    assert "export RAY_AUTH_MODE=token\n" in environment
    assert "export RAY_AUTH_TOKEN_PATH=" in environment
    assert values["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    starts = values["head_start_ray_commands"] + values["worker_start_ray_commands"]
    assert len([start for start in starts if "ray start" in start]) == 2
    assert all(start.startswith(". ~/palo/cluster/node_env.sh && ") for start in starts)


@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_node_on_aws_keeps_its_logs_from_the_start(
    aws: dict[str, Any], role: str, tmp_path: Path
) -> None:
    commands = aws[f"{role}_start_ray_commands"]
    (place,) = [place for place, one in enumerate(commands) if "jobs.logs keep" in one]
    assert "ray start" in commands[place + 1]
    # A stand-in for python that runs on: the command must not wait for it.
    (tmp_path / "palo" / "cluster").mkdir(parents=True)
    (tmp_path / "palo" / "cluster" / "node_env.sh").touch()
    python = tmp_path / "python"
    told = tmp_path / "told"
    python.write_text(f"#!/bin/sh\necho $$ $@ > {told}.new; mv {told}.new {told}; exec sleep 600\n")
    python.chmod(0o755)
    command = commands[place].replace("/tmp/palo-logs.out", str(tmp_path / "out"))
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", command], env=environment, check=True, timeout=60)
    until = time.monotonic() + 60
    while not told.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process, *arguments = told.read_text().split()
    os.kill(int(process), signal.SIGTERM)
    assert arguments == ["-m", "jobs.logs", "keep"]


@pytest.mark.parametrize("name", _FILES)
def test_the_dashboard_answers_on_loopback_only(name: str) -> None:
    (start,) = [s for s in _read(name)["head_start_ray_commands"] if "ray start" in s]
    assert re.search(r"--dashboard-host=127\.0\.0\.1\b", start)


def test_the_local_file_uses_the_loopback_interface_alone() -> None:
    values = _read("local.yaml")
    start, _ = values["head_start_ray_commands"]
    assert values["provider"] == {"type": "local", "head_ip": "127.0.0.1", "worker_ips": []}
    assert (values["min_workers"], values["max_workers"]) == (0, 0)
    assert "ray start --head --node-ip-address=$PALO_HEAD_IP" in start
    environment = (_CLUSTER / "local_settings.sh").read_text(encoding="utf-8")
    assert "export PALO_HEAD_IP=127.0.0.1 " in environment
    assert "export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 " in environment


def test_workers_of_the_local_file_are_started_by_rays_first_autoscaler() -> None:
    """Regression: the second one, which `ray up` turns on, wanted a node for ever and got none."""
    environment = (_CLUSTER / "local_settings.sh").read_text(encoding="utf-8")
    assert "export RAY_enable_autoscaler_v2=0\n" in environment


def test_the_local_file_ends_nobody_elses_ray() -> None:
    values = _read("local.yaml")
    starts = values["head_start_ray_commands"] + values["worker_start_ray_commands"]
    assert not [start for start in starts if "ray stop" in start]


@pytest.mark.parametrize("name", _FILES)
def test_mounts_exist_and_none_is_the_whole_checkout(name: str) -> None:
    mounts = _read(name)["file_mounts"]
    for remote, local in mounts.items():
        if local.startswith("./"):
            assert (_CLUSTER.parent / local).exists()
            assert (
                remote == f"~/palo/{local.removeprefix('./').replace('cluster/local_', 'cluster/')}"
            )
    assert not {".", "./"} & set(mounts.values())


@pytest.mark.parametrize("name", _FILES)
def test_nodes_get_all_that_their_setup_reads(name: str) -> None:
    values = _read(name)
    script = (_CLUSTER / "image" / "setup_node.sh").read_text(encoding="utf-8")
    read = set(re.findall(r"\$sources/([\w.]+)", script)) - {".git", ".venv"}
    mounted = {remote.removeprefix("~/palo/") for remote in values["file_mounts"]}
    assert {"platform", "apps", "jobs"} <= read <= mounted
    assert "bash ~/palo/cluster/image/setup_node.sh" in values["setup_commands"]


@pytest.mark.parametrize(("name", "port"), [("ray_cluster.yaml", 8265), ("local.yaml", 8300)])
def test_the_endpoint_is_deployed_after_ray_has_started_on_the_head(name: str, port: int) -> None:
    values = _read(name)
    *_, start, deploy = values["head_start_ray_commands"]
    assert "ray start --head" in start
    assert f"--dashboard-port={port}" in start or port == 8265
    script = "~/palo/cluster/start_serving.py"
    assert deploy.endswith(f"python {script} --dashboard http://127.0.0.1:{port}")
    assert {script, "~/palo/cluster/serve.yaml"} <= set(values["file_mounts"])


def test_a_stopped_job_has_time_for_its_checkpoint() -> None:
    environment = (_CLUSTER / "node_env.sh").read_text(encoding="utf-8")
    assert 'RAY_JOB_STOP_WAIT_TIME_S="${RAY_JOB_STOP_WAIT_TIME_S:-600}"' in environment
    assert "RAY_JOB_STOP_WAIT_TIME_S=600" in (_CLUSTER / "image/Dockerfile").read_text()


def test_nodes_compile_where_setup_does() -> None:
    """palo.session names the folder, beside the environment: nobody else may."""
    environment = (_CLUSTER / "node_env.sh").read_text(encoding="utf-8")
    assert "TORCH_EXTENSIONS_DIR" not in environment
    assert "PYTHONPYCACHEPREFIX" not in environment


def test_without_an_image_there_is_no_container(aws: dict[str, Any]) -> None:
    from ray.autoscaler._private.docker import validate_docker_config

    assert (aws["docker"]["image"], aws["docker"]["container_name"]) == ("", "")
    validate_docker_config(aws)
