"""Models go with their endpoint, and stay when only their keeper is replaced."""

from pathlib import Path

import pytest
from ray import serve
from ray.serve.schema import ApplicationStatusOverview, ServeStatus

from palo.serve.model_keeper import delete_models_of
from palo.serve.rollout import Candidate, Rollout


@pytest.mark.parametrize(("state", "deleted"), [("DELETING", 1), ("RUNNING", 0)])
def test_models_go_with_their_endpoint_alone(
    monkeypatch: pytest.MonkeyPatch, state: str, deleted: int
) -> None:
    candidate = Candidate(model="palo", run="a", folder=Path("/a"), finished=1.0)
    names = {"palo": state, "page": "RUNNING", f"{candidate.prefix}1": "RUNNING"}
    applications = {name: ApplicationStatusOverview(of, "", 0.0, {}) for name, of in names.items()}
    monkeypatch.setattr(serve, "status", lambda: ServeStatus(applications=applications))
    gone: list[str] = []
    monkeypatch.setattr(serve, "delete", lambda name, _blocking: gone.append(name))
    delete_models_of("palo", [Rollout(model="palo", settings="x")])
    assert gone == [f"{candidate.prefix}1"] * deleted
