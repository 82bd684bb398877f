"""What the keeper of models sees in a store and in Ray Serve."""

import os
from pathlib import Path

import pytest
from ray.serve.schema import ApplicationStatusOverview, DeploymentStatusOverview, ServeStatus

from palo.capacity import Cluster, Node
from palo.errors import StorageError
from palo.serve.keeper_inputs import app_states, read_candidates, waits_for
from palo.serve.settings import FollowSettings, ScaleSettings


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


class FakeCluster(Cluster):
    """A cluster of one serve node, whose GPU is taken."""

    def nodes(self) -> list[Node]:
        resources = {"CPU": 8.0, "GPU": 1.0, "accelerator_type:A10G": 1.0}
        return [Node(resources=resources, labels={"palo-role": "serve"})]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("", "its replicas load the model"),
        ("has 1 replicas that have taken more than 30s to initialize", "its replicas load"),
        (
            "has 2 replicas that have taken more than 30s to be scheduled. This may be due to",
            "waiting for 2 replicas, each with 4 CPUs and 1 GPU, on nodes with palo-role=serve: "
            "room for 1, 1 missing (1 node: 8 CPUs, 1 GPU (A10G))",
        ),
    ],
)
def test_what_a_start_waits_for_is_told_in_words(message: str, told: str) -> None:
    status = ServeStatus(applications={"new": application("DEPLOYING", of=message)})
    scale = ScaleSettings(
        min_replicas=2, max_replicas=2, num_cpus=4, num_gpus=1, node_labels={"palo-role": "serve"}
    )
    assert waits_for(status, "new", scale, FakeCluster()).startswith(told)
    assert waits_for(status, "gone", scale, FakeCluster()) == "its replicas load the model"


def test_replicas_that_keep_no_cpu_may_lack_a_label_alone() -> None:
    message = "has 1 replicas that have taken more than 30s to be scheduled."
    status = ServeStatus(applications={"new": application("DEPLOYING", of=message)})
    scale = ScaleSettings(num_cpus=0, node_labels={"palo-role": "data"})
    told = waits_for(status, "new", scale, FakeCluster())
    assert told.startswith("waiting for 1 replica, each with no CPU, on nodes with palo-role=data")
    assert "room for 0, 1 missing" in told
