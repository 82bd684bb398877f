"""The files for Kubernetes are valid to the last field, closed by default, and run what exists."""

import copy
import json
import os
import shlex
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.fixtures.kubernetes.ray_kinds import KINDS

from palo import config
from palo.config import from_dict
from palo.observability.kept_logs import KeepSettings
from palo.recipes import RECIPES

_FOLDER = Path(__file__).resolve().parents[2] / "cluster" / "kuberay"
_SCHEMA = json.loads(
    (Path(__file__).parents[1] / "fixtures/kubernetes/schema.json").read_text(encoding="utf-8")
)
_FILES = sorted(path.name for path in _FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
_CLUSTERS = {
    "cluster.yaml": ("spec",),
    "train.yaml": ("spec", "rayClusterSpec"),
    "serve.yaml": ("spec", "rayClusterConfig"),
}


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((_FOLDER / name).read_text(encoding="utf-8")))


def _cluster(name: str) -> dict[str, Any]:
    (found,) = _documents(name)
    for key in _CLUSTERS[name]:
        found = found[key]
    return found


def _pods(name: str) -> Iterator[dict[str, Any]]:
    cluster = _cluster(name)
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        yield group["template"]["spec"]
    if name == "train.yaml":
        yield _documents(name)[0]["spec"]["submitterPodTemplate"]["spec"]


def _faults(document: dict[str, Any]) -> list[str]:
    kinds = _SCHEMA["kinds"] | KINDS
    schema = _SCHEMA | {"kinds": kinds, "$ref": f"#/kinds/{document['kind']}"}
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


@pytest.mark.parametrize("name", _FILES)
def test_every_field_is_known(name: str) -> None:
    for document in _documents(name):
        assert not _faults(document)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cluster.yaml", "spec.autoscalerOptons"),
        ("cluster.yaml", "spec.headGroupSpec.template.spec.securityContext.runAsNonRoots"),
        ("train.yaml", "spec.shutdownAfterJobFinish"),
        ("train.yaml", "spec.rayClusterSpec.authOptions.mod"),
        ("serve.yaml", "spec.rayClusterConfig.workerGroupSpecs.0.maxReplica"),
        ("store.yaml", "spec.accessMode"),
        ("network.yaml", "spec.policyType"),
    ],
)
def test_a_typo_is_found(name: str, path: str) -> None:
    document = copy.deepcopy(_documents(name)[0])
    *way, typo = path.split(".")
    found: Any = document
    for key in way:
        found = found[int(key) if key.isdigit() else key]
    found[typo] = "x"
    assert any(typo in fault for fault in _faults(document))


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    closed = {"additionalProperties": False} if "properties" in node else {}
    return closed | {name: _strict(value) for name, value in node.items()}


@pytest.mark.parametrize("name", _CLUSTERS)
def test_the_published_definitions_take_it(name: str) -> None:
    folder = os.environ.get("PALO_KUBERAY_CRDS")
    if not folder:
        pytest.skip("PALO_KUBERAY_CRDS doesn't name a folder with KubeRay's definitions, v1.7")
    (document,) = _documents(name)
    (path,) = Path(folder).glob(f"*_{document['kind'].lower()}s.yaml")
    definition = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    (served,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1"]
    schema = _strict(served["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}  # which Kubernetes itself checks
    jsonschema.Draft202012Validator(schema).validate(document)


def test_everything_is_deployed_but_what_takes_gpus_at_once() -> None:
    (listed,) = _documents("kustomization.yaml")
    assert {*listed["resources"], "cluster.yaml", "train.yaml"} == set(_FILES)


@pytest.mark.parametrize("name", _CLUSTERS)
def test_no_container_has_rights_or_writes_to_its_image(name: str) -> None:
    for pod in _pods(name):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000  # the user of cluster/image/Dockerfile
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not [key for key in pod if key.startswith("host")]
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    autoscaler = _cluster(name)["autoscalerOptions"]["securityContext"]
    assert autoscaler["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("name", _CLUSTERS)
def test_what_is_mounted_is_there_and_shared_memory_is_memory(name: str) -> None:
    for pod in _pods(name):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        for mount in pod["containers"][0]["volumeMounts"]:
            if mount["mountPath"] == "/dev/shm":
                assert volumes[mount["name"]]["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("name", _CLUSTERS)
def test_ray_is_ours_asks_for_a_token_and_gives_nodes_back(name: str) -> None:
    cluster = _cluster(name)
    assert cluster["rayVersion"] == version("ray")
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] == 0
        assert group["labels"] == {"palo-role": group["groupName"]}


@pytest.mark.parametrize("name", _CLUSTERS)
def test_logs_of_every_ray_container_are_kept_until_it_has_ended(name: str) -> None:
    for pod in _pods(name):
        (ray,) = pod["containers"]
        if ray["name"] == "ray-job-submitter":  # its words are those of the job's driver
            continue
        (keeper,) = pod["initContainers"]
        # Such a container starts before the others and is ended after them.
        assert keeper["restartPolicy"] == "Always"
        assert keeper["securityContext"] == ray["securityContext"]
        assert keeper["envFrom"] == ray["envFrom"]
        python, flag, module, action = keeper["command"]
        assert (python, flag, action) == ("python", "-m", "keep")
        assert find_spec(module) is not None
        # KubeRay mounts this volume for its autoscaler unless it is there.
        for container in (ray, keeper):
            paths = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
            assert paths["ray-logs"] == str(KeepSettings().ray)


def test_the_head_of_each_is_the_same() -> None:
    heads = [_cluster(name)["headGroupSpec"] for name in _CLUSTERS]
    assert heads[0] == heads[1] == heads[2]


def test_training_ends_its_cluster_and_has_time_for_a_checkpoint() -> None:
    (job,) = _documents("train.yaml")
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    groups = {group["groupName"]: group for group in _cluster("train.yaml")["workerGroupSpecs"]}
    assert groups["train"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 600


def test_what_the_job_runs_is_in_the_image() -> None:
    (job,) = _documents("train.yaml")
    python, flag, module, recipe, *_ = shlex.split(job["spec"]["entrypoint"])
    assert (python, flag) == ("python", "-m")
    assert find_spec(module) is not None
    assert recipe in RECIPES


def test_the_service_passes_rays_validation_and_ours() -> None:
    from ray.serve.schema import ServeDeploySchema

    from palo.serve.chat_page.settings import PageSettings
    from palo.serve.settings import ServeSettings

    (service,) = _documents("serve.yaml")
    values = yaml.safe_load(service["spec"]["serveConfigV2"])
    ServeDeploySchema.model_validate(values)
    endpoint, page = values["applications"]
    assert endpoint["args"]["models"] == ["newest"]
    settings = from_dict(ServeSettings, endpoint["args"] | {"models": []})
    config.check(settings)
    assert not settings.access.no_keys
    assert settings.access.host == values["http_options"]["host"]
    assert from_dict(PageSettings, page["args"]).login
    on_one_machine = yaml.safe_load((_FOLDER.parent / "serve.yaml").read_text(encoding="utf-8"))
    for ours, theirs in zip(values["applications"], on_one_machine["applications"], strict=True):
        for key in ("name", "route_prefix", "import_path"):
            assert ours[key] == theirs[key]
    assert _without_place(endpoint["args"]) == _without_place(
        on_one_machine["applications"][0]["args"]
    )


def _without_place(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of an endpoint without what only its place decides."""
    access = {name: value for name, value in arguments["access"].items() if name != "host"}
    scale = {name: value for name, value in arguments["scale"].items() if name != "max_replicas"}
    return arguments | {"access": access, "scale": scale}


def test_the_head_answers_while_there_is_no_other_pod() -> None:
    (service,) = _documents("serve.yaml")
    assert service["spec"]["excludeHeadPodFromServeSvc"] is False
    groups = _cluster("serve.yaml")["workerGroupSpecs"]
    assert [(group["replicas"], group["minReplicas"]) for group in groups] == [(0, 0)]


def test_the_network_is_closed_by_default() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in _documents("network.yaml")}
    assert policies["deny-by-default"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    # From outside the namespace: named ports alone, of namespaces or pods that are named.
    for name in ("operator", "endpoint", "monitoring"):
        for rule in policies[name]["ingress"]:
            assert rule["ports"]
            assert all(source["namespaceSelector"]["matchLabels"] for source in rule["from"])
    outside = [rule for rule in policies["ray"]["egress"] if "ipBlock" in rule["to"][0]]
    assert [rule["to"][0]["ipBlock"]["except"] for rule in outside] == [["169.254.0.0/16"]]


def test_workers_get_no_token_of_kubernetes_and_no_secret_lies_here() -> None:
    accounts = {one["metadata"]["name"]: one for one in _documents("access.yaml")}
    assert accounts["palo-worker"]["automountServiceAccountToken"] is False
    for name in _CLUSTERS:
        for group in _cluster(name)["workerGroupSpecs"]:
            assert group["template"]["spec"]["serviceAccountName"] == "palo-worker"
    kinds = {document["kind"] for name in _FILES for document in _documents(name)}
    assert "Secret" not in kinds
