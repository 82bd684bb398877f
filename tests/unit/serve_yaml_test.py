"""The file for `serve deploy` passes Ray Serve's own validation, and its arguments pass ours."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from palo import config
from palo.config import from_dict
from palo.security.access import is_loopback

_FILE = Path(__file__).resolve().parents[2] / "cluster" / "serve.yaml"


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return read


def test_it_passes_ray_serves_validation(values: dict[str, Any]) -> None:
    from ray.serve.schema import ServeDeploySchema

    read = ServeDeploySchema.model_validate(values)
    paths = {each.route_prefix: each.import_path for each in read.applications}
    assert paths == {"/": "apps.chat_api:build", "/chat": "apps.chat_api:build_page"}


def test_its_arguments_are_those_of_the_endpoint(values: dict[str, Any]) -> None:
    from palo.serve.settings import ServeSettings

    application, _ = values["applications"]
    settings = from_dict(ServeSettings, application["args"])
    config.check(settings)
    assert settings.models[0].name == "palo-7b"


def test_it_listens_on_loopback_and_asks_for_keys(values: dict[str, Any]) -> None:
    from palo.serve.chat_page.settings import PageSettings
    from palo.serve.settings import ServeSettings

    application, page = values["applications"]
    settings = from_dict(ServeSettings, application["args"])
    assert is_loopback(values["http_options"]["host"])
    assert values["http_options"]["host"] == settings.access.host
    assert not settings.access.no_keys
    assert from_dict(PageSettings, page["args"]).login


def test_the_endpoint_leads_to_its_page_which_asks_the_endpoint(values: dict[str, Any]) -> None:
    application, page = values["applications"]
    http = values["http_options"]
    assert application["args"]["page_path"] == f"{page['route_prefix']}/"
    assert page["args"]["endpoint"]["url"] == f"http://{http['host']}:{http['port']}"


def test_the_application_is_built_of_it(
    values: dict[str, Any], finished_stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.chat_api import build

    monkeypatch.setenv("HOME", str(finished_stage.parent))
    application, _ = values["applications"]
    models = [{"name": "mine", "folder": f"~/{finished_stage.name}"}]
    built = build(application["args"] | {"models": models})
    assert built._bound_deployment.name == "ingress"


def test_the_page_is_built_of_it_as_one_replica_that_reserves_no_cpu(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.chat_api import build_page

    monkeypatch.setenv("HOME", str(tmp_path))
    _, page = values["applications"]
    deployment = build_page(page["args"])._bound_deployment
    assert (deployment.name, deployment.num_replicas) == ("page", 1)
    assert deployment.ray_actor_options["num_cpus"] == 0
    (settings,) = deployment.init_args
    assert settings.feedback == tmp_path / "palo/runs/feedback"
