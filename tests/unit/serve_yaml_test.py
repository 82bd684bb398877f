"""The file for `serve deploy` passes Ray Serve's own validation, and its arguments pass ours."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from palo import config
from palo.config import from_dict
from palo.serve.guard.access import is_loopback

_FILE = Path(__file__).resolve().parents[2] / "cluster" / "serve.yaml"


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return read


def test_it_passes_ray_serves_validation(values: dict[str, Any]) -> None:
    from ray.serve.schema import ServeDeploySchema

    read = ServeDeploySchema.model_validate(values)
    assert [each.import_path for each in read.applications] == ["apps.chat_api:build"]


def test_its_arguments_are_those_of_the_endpoint(values: dict[str, Any]) -> None:
    from palo.serve.settings import ServeSettings

    (application,) = values["applications"]
    settings = from_dict(ServeSettings, application["args"])
    config.check(settings)
    assert settings.models[0].name == "palo-7b"


def test_it_listens_on_loopback_and_asks_for_keys(values: dict[str, Any]) -> None:
    from palo.serve.settings import ServeSettings

    (application,) = values["applications"]
    settings = from_dict(ServeSettings, application["args"])
    assert is_loopback(values["http_options"]["host"])
    assert values["http_options"]["host"] == settings.access.host
    assert not settings.access.no_keys


def test_the_application_is_built_of_it(
    values: dict[str, Any], finished_stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.chat_api import build

    monkeypatch.setenv("HOME", str(finished_stage.parent))
    (application,) = values["applications"]
    models = [{"name": "mine", "folder": f"~/{finished_stage.name}"}]
    built = build(application["args"] | {"models": models})
    assert built._bound_deployment.name == "ingress"
