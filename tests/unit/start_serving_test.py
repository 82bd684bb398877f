"""`ray up` deploys the endpoint, and never fails because of it."""

from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.scripts import load_script

from palo.errors import ConfigError, ResourceError

_CLUSTER = Path(__file__).resolve().parents[2] / "cluster"


@pytest.fixture(scope="module")
def script() -> Any:
    return load_script(_CLUSTER / "start_serving.py")


class Dashboard:
    """A dashboard that comes up after some attempts, and whose applications then go on and on."""

    def __init__(self, *statuses: str, absent: int = 0, refusal: str = "") -> None:
        self.statuses = list(statuses)
        self.absent = absent
        self.refusal = refusal
        self.deployed: list[dict[str, Any]] = []
        self.slept: list[float] = []

    def __call__(self) -> "Dashboard":
        if self.absent:
            self.absent -= 1
            raise ConnectionError("nobody listens")
        return self

    def deploy_applications(self, config: dict[str, Any]) -> None:
        if self.refusal:
            raise RuntimeError(self.refusal)
        self.deployed.append(config)

    def get_serve_details(self) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        one = {"status": status, "message": "Traceback\n  it fell over"}
        return {"applications": {"palo": one, "page": {"status": "RUNNING"}}}


@pytest.mark.parametrize("name", ["serve.yaml", "local_serve.yaml"])
def test_it_deploys_the_file_when_the_dashboard_is_there(script: Any, name: str) -> None:
    dashboard = Dashboard("DEPLOYING", "RUNNING", absent=3)
    values = script.start_serving(_CLUSTER / name, dashboard, dashboard.slept.append)
    assert dashboard.deployed == [values]
    assert len(dashboard.slept) == 4


@pytest.mark.parametrize(
    ("dashboard", "told"),
    [
        (Dashboard("RUNNING", absent=10_000), "dashboard doesn't answer: nobody listens"),
        (Dashboard("RUNNING", refusal="no such field"), "refuses the Serve file: no such field"),
        (Dashboard("DEPLOY_FAILED"), "palo doesn't start: Traceback it fell over"),
        (Dashboard("DEPLOYING"), "isn't ready yet: palo is DEPLOYING"),
    ],
)
def test_what_goes_wrong_is_one_line(script: Any, dashboard: Dashboard, told: str) -> None:
    with pytest.raises(ResourceError, match=told):
        script.start_serving(_CLUSTER / "serve.yaml", dashboard, dashboard.slept.append)


@pytest.mark.parametrize("text", ["", "applications: 3", "a: [", "applications: []"])
def test_a_file_that_is_none_is_told(script: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"serve\.yaml"):
        script.start_serving(file, Dashboard("RUNNING"), lambda _: None)


def test_the_command_ends_well_and_leaves_a_log(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "palo" / "cluster"
    folder.mkdir(parents=True)
    assert script.main(["--file", str(folder / "missing.yaml")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("warning: ")
    assert "The cluster runs without the endpoint" in told
    assert "missing.yaml" in (tmp_path / "palo" / "serve.log").read_text(encoding="utf-8")
