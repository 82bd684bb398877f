"""Work of each role on a cluster that is scaled to zero, with Ray's own autoscaler.

Each job goes on until the nodes that came up for it have gone again.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.fixtures.scaling_cluster import scaling_cluster

pytestmark = [pytest.mark.ray, pytest.mark.drill, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster():
    # pytest's folders have paths too long for Ray's sockets.
    with (
        tempfile.TemporaryDirectory(prefix="palo-roles-") as folder,
        scaling_cluster(Path(folder)) as environment,
    ):
        path = os.pathsep.join([str(ROOT), *sys.path[1:]])
        yield environment | {"PYTHONPATH": path}


def run(cluster, *words):
    """Runs a job to the end of its nodes; returns what it has seen."""
    command = [sys.executable, str(ROOT / "tests" / "fixtures" / "scaling_jobs.py"), *words]
    done = subprocess.run(
        command, env=cluster, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_eight_gpus_for_training_start_one_train_node_which_goes_again(cluster, tmp_path):
    seen = run(cluster, "train", str(tmp_path))
    assert seen["ran_on"] == ["train"] * 8
    assert seen["nodes"] == {"head": 1, "train": 1}


def test_tasks_on_rows_start_data_nodes_alone(cluster):
    seen = run(cluster, "data")
    assert seen["ran_on"] == ["data"] * 12
    assert set(seen["nodes"]) == {"head", "data"}


def test_replicas_come_and_go_with_the_load_on_serve_nodes_alone(cluster, finished_stage):
    """A training node with eight free GPUs is up all the while."""
    seen = run(cluster, "serve", str(finished_stage))
    assert seen["replicas"] == [1, 2, 1]
    assert seen["answered"] > 0
    assert set(seen["ran_on"]) == {"serve"}
    assert len(seen["ran_on"]) == 2
    assert seen["nodes"] == {"head": 1, "train": 1, "serve": 2}
