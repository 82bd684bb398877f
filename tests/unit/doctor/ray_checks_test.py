"""A cluster that can't be reached, refuses the token, or runs another Ray is one line."""

from importlib.metadata import version
from typing import Any

import httpx
import pytest

from palo.doctor.finding import Finding
from palo.doctor.ray_checks import ADDRESS, check_cluster, dashboard_address

_TOKEN = "t" * 32


def _node(state: str = "ALIVE", disk: float = 20.0, memory: float = 30.0) -> dict[str, Any]:
    return {
        "raylet": {"state": state},
        "hostname": "node",
        "ip": "10.0.0.7",
        "disk": {"/": {"percent": disk}},
        "mem": [8, 4, memory, 4],
    }


def _found(answer: Any, *, token: str = _TOKEN, nodes: Any = ()) -> list[Finding]:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/nodes":
            return httpx.Response(200, json={"data": {"summary": list(nodes)}})
        if isinstance(answer, Exception):
            raise answer
        if request.headers.get("authorization") != f"Bearer {token}":
            return httpx.Response(401)
        return answer

    return list(check_cluster("http://cluster:8265", httpx.MockTransport(handle)))


@pytest.fixture(autouse=True)
def _own_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", _TOKEN)


def _says(ray: str) -> httpx.Response:
    return httpx.Response(200, json={"version": "4", "ray_version": ray})


def test_the_same_version_and_living_nodes_are_fine() -> None:
    found = _found(_says(version("ray")), nodes=[_node(), _node("DEAD")])
    assert [one.level for one in found] == ["ok", "ok"]
    assert found[1].text == "1 alive, 1 gone"


def test_a_ray_of_another_version() -> None:
    (fault,) = [one for one in _found(_says("2.9.3"), nodes=[_node()]) if one.level == "fault"]
    assert fault.text == f"2.9.3 on the cluster, {version('ray')} here"


def test_a_token_that_is_missing_here_or_differs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (differs,) = _found(_says("2.60.0"), token="another")
    assert "refuses the token" in differs.text
    assert _TOKEN not in str(differs)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    (missing,) = _found(_says("2.60.0"))
    assert "there is none here" in missing.text


def test_nothing_answers() -> None:
    (fault,) = _found(httpx.ConnectError("refused"))
    assert "ray dashboard ray_cluster.yaml" in fault.fix


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(404), httpx.Response(200, text="<html>"), httpx.Response(200, json=[])],
)
def test_something_else_answers(answer: httpx.Response) -> None:
    (fault,) = _found(answer)
    assert "no dashboard of Ray" in fault.text


def test_nodes_that_are_nearly_full_are_named() -> None:
    found = _found(_says(version("ray")), nodes=[_node(disk=97.0, memory=95.0)])
    assert [one.level for one in found] == ["ok", "ok", "warning", "warning"]
    assert "node (10.0.0.7)" in found[2].text


def test_the_address_is_that_of_job_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")  # the head's, not the dashboard's
    assert dashboard_address() == ADDRESS
    monkeypatch.setenv("RAY_ADDRESS", "http://10.0.0.1:8265")
    assert dashboard_address() == "http://10.0.0.1:8265"
