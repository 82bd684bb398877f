"""What the keeper of models sees in a store and in Ray Serve, and what it tells."""

import os
from pathlib import Path

import pytest
from ray import serve
from ray.serve.schema import ApplicationStatusOverview, DeploymentStatusOverview, ServeStatus

from palo.errors import StorageError
from palo.serve.model_keeper import app_states, delete_models_of, read_candidates
from palo.serve.rollout import Candidate, Rollout
from palo.serve.settings import FollowSettings


def finish(runs: Path, name: str, at: float) -> None:
    file = runs / name / "finetune" / "model.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}", encoding="utf-8")
    os.utime(file, (at, at))


def test_an_empty_store_has_no_candidates(tmp_path: Path) -> None:
    assert read_candidates(tmp_path / "runs", FollowSettings()) == {"palo": []}


def test_the_newest_run_comes_first_and_an_unfinished_one_never(tmp_path: Path) -> None:
    finish(tmp_path, "old", 100)
    finish(tmp_path, "new", 200)
    (tmp_path / "running" / "finetune" / "checkpoints").mkdir(parents=True)
    (tmp_path / "keys.json").write_text("{}", encoding="utf-8")
    (found,) = read_candidates(tmp_path, FollowSettings(name="mine")).values()
    assert [(one.model, one.run, one.finished) for one in found] == [
        ("mine", "new", 200.0),
        ("mine", "old", 100.0),
    ]
    assert found[0].folder == tmp_path / "new" / "finetune"


def test_named_runs_have_names_of_their_own(tmp_path: Path) -> None:
    finish(tmp_path, "a", 100)
    finish(tmp_path, "b", 200)
    found = read_candidates(tmp_path, FollowSettings(runs=("a", "later", "newest")))
    assert {model: [one.run for one in of] for model, of in found.items()} == {
        "a": ["a"],
        "later": [],
        "palo": ["b", "a"],
    }


def test_a_store_that_cant_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        read_candidates(tmp_path, FollowSettings())


def application(status: str, message: str = "", of: str = "") -> ApplicationStatusOverview:
    deployment = DeploymentStatusOverview("UNHEALTHY", "", replica_states={}, message=of)
    return ApplicationStatusOverview(status, message, 0.0, {"model": deployment})


def test_states_of_applications() -> None:
    trace = "Traceback ...\npalo.errors.DataError: no finished model here: /x. Train one.\n  more"
    status = ServeStatus(
        applications={
            "warm": application("RUNNING"),
            "cold": application("DEPLOYING", "Deployment 'm' starts"),
            "ours": application("DEPLOY_FAILED", "The deployment failed", trace),
            "theirs": application("UNHEALTHY", "it  was\nkilled"),
            "going": application("DELETING"),
        }
    )
    states = app_states(status)
    assert states["warm"].is_running
    assert not states["cold"].is_running
    assert not states["cold"].fault
    assert states["ours"].fault == "no finished model here: /x. Train one"
    assert states["theirs"].fault == "it was killed"
    assert "going" not in states


@pytest.mark.parametrize(("state", "deleted"), [("DELETING", 1), ("RUNNING", 0)])
def test_models_go_with_their_endpoint_alone(
    monkeypatch: pytest.MonkeyPatch, state: str, deleted: int
) -> None:
    candidate = Candidate(model="palo", run="a", folder=Path("/a"), finished=1.0)
    names = {"palo": state, "page": "RUNNING", f"{candidate.prefix}1": "RUNNING"}
    applications = {name: application(of) for name, of in names.items()}
    monkeypatch.setattr(serve, "status", lambda: ServeStatus(applications=applications))
    gone: list[str] = []
    monkeypatch.setattr(serve, "delete", lambda name, _blocking: gone.append(name))
    delete_models_of("palo", [Rollout(model="palo", settings="x")])
    assert gone == [f"{candidate.prefix}1"] * deleted
