"""Models go with their endpoint, and stay when only their keeper is replaced."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray import serve
from ray.serve.schema import ApplicationStatusOverview, ServeStatus

from palo.errors import ResourceError
from palo.serve import model_keeper
from palo.serve.model_keeper import ModelKeeper, delete_models_of
from palo.serve.rollout import Candidate, Rollout
from palo.serve.settings import FollowSettings, ServeSettings


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


class Serve:
    """Ray Serve, as far as a keeper asks it, while it deletes the endpoint.

    Attributes:
        names: Applications besides the endpoint.
        starts: Set when a model is being started, which takes until `may_start` is set.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.starts, self.may_start = threading.Event(), threading.Event()

    def status(self) -> ServeStatus:
        states = {"palo": "DELETING"} | dict.fromkeys(self.names, "RUNNING")
        return ServeStatus(
            applications={
                name: ApplicationStatusOverview(state, "", 0.0, {})  # type: ignore[arg-type]
                for name, state in states.items()
            }
        )

    def run_many(self, targets: list[serve.RunTarget], **_: bool) -> None:
        self.starts.set()
        assert self.may_start.wait(30)
        self.names |= {str(target.name) for target in targets}

    def delete(self, name: str, *, _blocking: bool) -> None:
        self.names.remove(name)


def test_a_keeper_that_ends_while_it_starts_a_model_takes_that_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Regression: it started models anew beside their deletion, and they stayed without it."""
    fake = Serve()
    for name in ("status", "run_many", "delete"):
        monkeypatch.setattr(serve, name, getattr(fake, name))
    own = SimpleNamespace(app_name="palo")
    monkeypatch.setattr(serve, "get_replica_context", lambda: own)
    candidate = Candidate(model="palo", run="a", folder=Path("/a"), finished=1.0)
    monkeypatch.setattr(model_keeper, "read_candidates", lambda *_: {"palo": [candidate]})
    monkeypatch.setattr(model_keeper, "waits_for", lambda *_: "")
    monkeypatch.setattr(ModelKeeper, "_application", lambda *_: None)
    follow = FollowSettings(look_every_s=0.01)
    keeper = ModelKeeper(ServeSettings(follow=follow))
    assert fake.starts.wait(30)
    threading.Timer(0.2, fake.may_start.set).start()
    keeper.__del__()
    assert not fake.names
    with pytest.raises(ResourceError, match="stopped"):  # it starts nothing any more
        keeper.check_health()
