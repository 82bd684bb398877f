"""The files for `serve deploy` pass Ray Serve's own validation, and their arguments pass ours."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from palo import config
from palo.config import from_dict
from palo.errors import ConfigError
from palo.security.access import is_loopback
from palo.serve.served_runs import TRAIN_COMMAND
from palo.sharing import MARKS

_CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
_FILES = ("serve.yaml", "local_serve.yaml")


def _read(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((_CLUSTER / name).read_text(encoding="utf-8"))
    return read


@pytest.fixture(params=_FILES)
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    return _read(request.param)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PALO_STORE", str(tmp_path / "store"))
    monkeypatch.setenv(MARKS, "{}")  # restored at the end
    return tmp_path / "store"


def test_it_passes_ray_serves_validation(values: dict[str, Any]) -> None:
    from ray.serve.schema import ServeDeploySchema

    read = ServeDeploySchema.model_validate(values)
    paths = {each.route_prefix: each.import_path for each in read.applications}
    assert paths == {"/": "apps.chat_api:build", "/chat": "apps.chat_api:build_page"}


def test_its_arguments_are_those_of_the_endpoint(values: dict[str, Any]) -> None:
    from palo.serve.settings import ServeSettings

    application, _ = values["applications"]
    assert application["args"]["models"] == ["newest"]
    settings = from_dict(ServeSettings, application["args"] | {"models": []})
    config.check(settings)


def test_it_listens_on_loopback_and_asks_for_keys(values: dict[str, Any]) -> None:
    from palo.serve.chat_page.settings import PageSettings
    from palo.serve.settings import ServeSettings

    application, page = values["applications"]
    settings = from_dict(ServeSettings, application["args"] | {"models": []})
    assert is_loopback(values["http_options"]["host"])
    assert values["http_options"]["host"] == settings.access.host
    assert not settings.access.no_keys
    assert from_dict(PageSettings, page["args"]).login


def test_the_endpoint_leads_to_its_page_which_asks_the_endpoint(values: dict[str, Any]) -> None:
    application, page = values["applications"]
    http = values["http_options"]
    assert application["args"]["page_path"] == f"{page['route_prefix']}/"
    assert page["args"]["endpoint"]["url"] == f"http://{http['host']}:{http['port']}"


def test_the_endpoint_is_built_of_it_before_there_is_a_model_or_a_key(
    values: dict[str, Any], store: Path
) -> None:
    from apps.chat_api import build

    application, _ = values["applications"]
    deployment = build(application["args"])._bound_deployment
    assert (deployment.name, deployment.num_replicas) == ("ingress", 1)
    settings, *fixed, keeper = deployment.init_args
    assert fixed == [{}, {}, {}]
    assert settings.follow.name == "palo"
    assert settings.access.key_file == store / "keys.json"
    kept = keeper._bound_deployment
    for one in (deployment, kept):  # neither holds a CPU, nor a node but the head
        assert one.ray_actor_options["num_cpus"] == 0
        assert one.ray_actor_options["resources"] == {"node:__internal_head__": 0.001}


def test_whatever_serves_looks_for_the_mark_of_the_store(
    values: dict[str, Any], store: Path
) -> None:
    from apps.chat_api import build, build_page

    endpoint, page = values["applications"]
    for built in (build(endpoint["args"]), build_page(page["args"])):
        options = built._bound_deployment.ray_actor_options
        environment = options["runtime_env"]["env_vars"]
        assert environment["PALO_STORE"] == str(store)
        assert list(json.loads(environment[MARKS])) == [str(store)]


def test_a_model_can_be_named_by_its_folder(
    values: dict[str, Any], finished_stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.chat_api import build

    monkeypatch.setenv("HOME", str(finished_stage.parent))
    application, _ = values["applications"]
    models = [{"name": "mine", "folder": f"~/{finished_stage.name}"}]
    access = application["args"]["access"] | {"key_file": str(finished_stage / "keys.json")}
    built = build(application["args"] | {"models": models, "access": access})
    _, bound, deployments, _ = built._bound_deployment.init_args
    assert deployments == {"mine": "model-mine"}
    options = bound["model-mine"]._bound_deployment.ray_actor_options
    labels = application["args"]["scale"].get("node_labels")
    assert options.get("label_selector") == labels


@pytest.mark.parametrize(
    ("models", "runs"), [("newest", ("newest",)), (["7b", "mine"], ("7b", "mine"))]
)
def test_runs_can_be_named(store: Path, models: object, runs: tuple[str, ...]) -> None:
    from apps.chat_api import build

    settings, *_ = build({"models": models, "follow": {"name": "x"}})._bound_deployment.init_args
    assert (settings.follow.runs, settings.follow.name) == (runs, "x")


@pytest.mark.parametrize("models", [[], None, ["a", "a"], ["newest", ""], ["../a"]])
def test_models_that_are_none_are_refused(store: Path, models: object) -> None:
    from apps.chat_api import build

    with pytest.raises(ConfigError):
        build({"models": models} if models is not None else {})


def test_both_files_differ_in_their_replicas_alone() -> None:
    ours, theirs = (_read(name) for name in _FILES)
    for values in (ours, theirs):
        arguments = values["applications"][0]["args"]
        for one in ("num_slots", "max_context", "static_decode"):
            del arguments["replica"]["engine"][one]
        del arguments["scale"]
    assert ours == theirs


def test_the_page_is_built_of_it_as_one_replica_that_reserves_no_cpu(
    values: dict[str, Any], store: Path
) -> None:
    from apps.chat_api import build_page

    _, page = values["applications"]
    deployment = build_page(page["args"])._bound_deployment
    assert (deployment.name, deployment.num_replicas) == ("page", 1)
    assert deployment.ray_actor_options["num_cpus"] == 0
    (settings,) = deployment.init_args
    assert settings.feedback == store / "feedback"
    assert settings.train_command == TRAIN_COMMAND
