"""A cluster of two machines, of which one doesn't see the job's folders."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from jobs.bench.ray_head import end_family, ray_head

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

_SESSION = """
import sys
from palo.command import run_job
from palo.session import ray_session

def main(arguments):
    with ray_session():
        print("all see it", flush=True)
        sys.stdin.readline()
        import ray
        from palo.ray_errors import own_errors
        from palo.sharing import check_here
        elsewhere = ray.remote(resources={"elsewhere": 1}, num_cpus=0)(check_here)
        with own_errors():
            ray.get(elsewhere.remote())
        print("the other one, too", flush=True)

run_job(main)
"""

# `ray start` joins no cluster on the loopback interface: a node of Ray's own class does, as its
# make-believe clusters have them.
_NODE = """
import os, signal
from ray._private.node import Node
from ray._private.parameter import RayParams

address = os.environ["RAY_ADDRESS"]
node = Node(
    RayParams(
        min_worker_port=0, max_worker_port=0, dashboard_port=None, dashboard_agent_listen_port=0,
        num_cpus=1, num_gpus=0, object_store_memory=80_000_000, resources={"elsewhere": 1},
        redis_address=address, gcs_address=address,
    ),
    head=False, shutdown_at_exit=False, spawn_reaper=False,
)
signal.pause()
"""


@pytest.fixture(scope="module")
def head():
    with tempfile.TemporaryDirectory(prefix="palo-two-") as folder:
        options = ["--num-cpus=1", "--include-dashboard=false"]
        with ray_head(Path(folder), options) as environment:
            (Path(folder) / "store").mkdir()
            yield environment | {"PALO_STORE": f"{folder}/store"}


@contextmanager
def _node(environment, *, sees_the_store):
    """Runs a second node; without the store it has an empty disk at its place."""
    command = [sys.executable, "-c", _NODE]
    if not sees_the_store:
        hide = f'mount -t tmpfs none {environment["PALO_STORE"]} && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", hide, "sh", *command]
    with tempfile.NamedTemporaryFile("w+") as log:
        node = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_there_are(1, environment, Path(log.name), node)
            yield
        finally:
            if node.poll() is None:
                end_family(node)
        _wait_until_there_are(0, environment, Path(log.name))


def _wait_until_there_are(count, environment, log, node=None):
    """Waits until the cluster says so, which takes a while for a node that has ended, too."""
    look = (
        "import ray\n"
        "ray.init(log_to_driver=False)\n"
        f"assert ray.cluster_resources().get('elsewhere', 0) == {count}\n"
    )
    until = time.monotonic() + 120
    while time.monotonic() < until and (node is None or node.poll() is None):
        found = subprocess.run(
            [sys.executable, "-c", look], env=environment, check=False, capture_output=True
        )
        if found.returncode == 0:
            return
    raise AssertionError(f"no cluster with {count} such nodes: {log.read_text()[-2000:]}")


def _session(environment):
    return subprocess.Popen(
        [sys.executable, "-c", _SESSION],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def _can_hide():
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode or os.getuid():
        pytest.skip("hiding a folder from a node needs mount namespaces, as root has them")


def test_nodes_that_see_the_store_are_worked_on(head):
    with _node(head, sees_the_store=True):
        out, errors = _session(head).communicate("\n", timeout=300)
    assert out == "all see it\nthe other one, too\n", errors


@pytest.mark.usefixtures("_can_hide")
def test_a_node_that_does_not_see_the_store_is_told_before_any_work(head):
    with _node(head, sees_the_store=False):
        session = _session(head)
        out, errors = session.communicate("\n", timeout=300)
    assert out == ""
    assert session.returncode == 2
    assert f"doesn't see the folder {head['PALO_STORE']} of this job" in errors
    assert "--store s3://" in errors


@pytest.mark.usefixtures("_can_hide")
def test_a_node_that_joins_later_is_told_by_its_first_task(head):
    session = _session(head)
    assert session.stdout.readline() == "all see it\n"
    with _node(head, sees_the_store=False):
        out, errors = session.communicate("\n", timeout=300)
    assert out == ""
    assert session.returncode == 2
    assert "doesn't see the folder" in errors
