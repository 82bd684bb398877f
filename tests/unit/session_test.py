import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from palo import session, storage
from palo.capacity import Node
from palo.errors import ConfigError, ResourceError
from palo.session import keep_extensions_apart, ray_session
from palo.store import lasting_path


def test_outputs_stay_where_they_are_asked_for(monkeypatch):
    monkeypatch.delenv("PALO_HOME", raising=False)
    assert lasting_path(Path("runs/x")) == Path("runs/x")


def test_a_home_moves_relative_outputs_only(monkeypatch):
    monkeypatch.setenv("PALO_HOME", "/lasting")
    assert lasting_path(Path("runs/x")) == Path("/lasting/runs/x")
    assert lasting_path(Path("/tmp/x")) == Path("/tmp/x")
    assert str(lasting_path(storage.path_of("s3://b/x"))) == "s3://b/x"


@pytest.mark.parametrize("home", [None, ""])
def test_a_submitted_jobs_output_leaves_rays_copy_of_the_checkout(monkeypatch, tmp_path, home):
    copy = tmp_path / "runtime_resources" / "working_dir_files" / "abc"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.delenv("PALO_HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("PALO_HOME", home)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert lasting_path(Path("runs/x")) == tmp_path / "home" / "palo" / "runs" / "x"


def test_a_cluster_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ResourceError, match=r"127\.0\.0\.1:1.*RAY_ADDRESS"), ray_session():
        pass


@pytest.fixture
def ray_start(monkeypatch):
    """What a session on a cluster starts Ray with, without a cluster."""
    import ray

    given = {}
    monkeypatch.setattr("palo.session._require_answer", lambda address: None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: given.update(options))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    return given


@pytest.mark.usefixtures("s3_environment")
def test_settings_of_s3_reach_a_clusters_workers_and_secrets_do_not(monkeypatch, ray_start):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with ray_session():
        pass
    assert ray_start["runtime_env"] == {
        "env_vars": {"AWS_ENDPOINT_URL": "http://store:9000", "AWS_REGION": "eu-west-1"}
    }


@pytest.mark.usefixtures("s3_environment")
def test_what_a_submitted_job_was_given_is_not_given_again(monkeypatch, ray_start):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    job = {"runtime_env": {"env_vars": {"AWS_REGION": "eu-west-1"}}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))
    with ray_session():
        pass
    assert "runtime_env" not in ray_start


@pytest.fixture
def no_chosen_folder(monkeypatch):
    """Takes the variable away, and brings back what it was, or that there was none."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", "")
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR")


@pytest.mark.usefixtures("no_chosen_folder")
def test_each_environment_keeps_its_own_compiled_extensions(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/some/venv")
    keep_extensions_apart()
    assert os.environ["TORCH_EXTENSIONS_DIR"] == "/some/venv/torch_extensions"


def test_a_folder_for_extensions_that_was_chosen_stays(monkeypatch):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", "/chosen")
    keep_extensions_apart()
    assert os.environ["TORCH_EXTENSIONS_DIR"] == "/chosen"


@pytest.mark.usefixtures("no_chosen_folder")
def test_python_without_an_environment_keeps_torchs_folder(monkeypatch):
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    keep_extensions_apart()
    assert "TORCH_EXTENSIONS_DIR" not in os.environ


@pytest.fixture
def nodes(monkeypatch):
    """Makes this process's cluster a private Ray of some nodes, or one that may grow."""

    def make(*resources, most=None):
        found = [Node(resources=each) for each in resources]
        cluster = SimpleNamespace(
            can_grow=most is not None, nodes=lambda: found, most=lambda: most, wished=[]
        )
        there = SimpleNamespace(is_there=lambda timeout_s: True, release=lambda: None)
        cluster.reserve = lambda share: cluster.wished.append(share.bundle) or there
        monkeypatch.setattr(session, "RayCluster", lambda: cluster)
        return cluster

    return make


def test_workers_get_a_gpu_each_where_there_are_enough(nodes):
    nodes({"CPU": 8.0, "GPU": 2.0})
    assert session.worker_share(2, "answer") == {"num_cpus": 1, "num_gpus": 1}
    assert session.worker_share(3, "answer") == {"num_cpus": 1}


def test_a_cluster_that_is_scaled_to_zero_is_asked_for_the_gpus_that_it_may_have(nodes):
    """Regression: its workers got CPUs, since no node with a GPU was up."""
    cluster = nodes({"CPU": 4.0}, most={"CPU": 100.0, "GPU": 2.0})
    assert session.worker_share(2, "answer") == {"num_cpus": 1, "num_gpus": 1}
    assert cluster.wished == [{"CPU": 1.0, "GPU": 1.0}]
    assert session.worker_share(3, "answer") == {"num_cpus": 1}
    assert nodes({"CPU": 4.0}, most={})
    assert session.worker_share(2, "answer") == {"num_cpus": 1}


def test_more_workers_than_cpus_are_told_without_saying_anything_twice(nodes):
    nodes({"CPU": 2.0}, {"CPU": 1.0})
    with pytest.raises(ResourceError, match="no room for 4 workers that answer") as caught:
        session.worker_share(4, "answer")
    told = "each needs 1 CPU; room for 3, 1 missing (2 nodes: 3 CPUs, 0 GPUs)"
    assert caught.value.seen == told


def test_a_large_machine_has_room_for_the_images_that_its_gpus_wait_for(monkeypatch):
    """Eight encoders have two shards of 43 MB each at hand, and as many are decoded meanwhile."""
    room = session._private_settings(None)["object_store_memory"]
    assert room >= 300 << 20
    monkeypatch.setattr(session.psutil, "virtual_memory", lambda: SimpleNamespace(total=1 << 40))
    monkeypatch.setattr(session.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 39))
    assert session._private_settings(None)["object_store_memory"] > 10 << 30
    monkeypatch.setattr(session.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 20))
    assert session._private_settings(None)["object_store_memory"] == 300 << 20


def test_a_store_reaches_a_clusters_workers_with_the_marks_of_shared_folders(
    monkeypatch, ray_start, tmp_path
):
    store, beside = tmp_path / "store", tmp_path / "runs" / "x"
    monkeypatch.setenv("PALO_STORE", str(store))
    checked = []
    monkeypatch.setattr(session, "check_nodes", checked.append)
    with ray_session(shared=(store / "runs" / "y", beside)):
        pass
    given = ray_start["runtime_env"]["env_vars"]
    assert given["PALO_STORE"] == str(store)
    marks = json.loads(given["PALO_SHARED_FOLDERS"])
    assert set(marks) == {str(store), str(beside)}  # what lies in the store is seen with it
    assert checked == [marks]


def test_a_job_with_two_stores_is_refused(monkeypatch, ray_start, tmp_path):
    monkeypatch.setenv("PALO_STORE", str(tmp_path))
    job = {"runtime_env": {"env_vars": {"PALO_STORE": "s3://other/palo"}}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))
    with pytest.raises(ConfigError, match=r"another store.*s3://other/palo and /"), ray_session():
        pass


def test_a_submitted_job_knows_its_id(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert session.submission_id() == ""
    settings = {"metadata": {"job_submission_id": "finetune-1"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(settings))
    assert session.submission_id() == "finetune-1"
