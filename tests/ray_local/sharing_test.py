"""A cluster of two machines, of which one doesn't see the job's folders."""

import os
import subprocess
import sys
import tempfile
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
    head=False, shutdown_at_exit=True, spawn_reaper=False,
)
signal.pause()
"""

_LOOK = """
import sys, time
import ray

ray.init(log_to_driver=False)
until = time.monotonic() + 120
while (seen := ray.cluster_resources().get("elsewhere", 0)) != int(sys.argv[1]):
    assert time.monotonic() < until, f"{seen} such nodes"
    time.sleep(0.1)
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
            _wait_until_there_are(1, environment, Path(log.name))
            yield
        finally:
            if node.poll() is None:
                end_family(node)
        _wait_until_there_are(0, environment, Path(log.name))


def _wait_until_there_are(count, environment, log):
    """Waits until the cluster says so, which takes a while for a node that has ended, too."""
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(count)], env=environment, check=False, capture_output=True
    )
    assert done.returncode == 0, (done.stderr, log.read_text()[-2000:])


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


@pytest.fixture(scope="module")
def told(head, _can_hide):
    """What two jobs said of a node without the store: one that it joined later, one after it.

    Both look for as long as a network file system may need to show a file: at the same time.
    """
    earlier = _session(head)
    assert earlier.stdout.readline() == "all see it\n"
    with _node(head, sees_the_store=False):
        later = _session(head)
        ends = {}
        for name, job in (("earlier", earlier), ("later", later)):
            out, errors = job.communicate("\n", timeout=300)
            ends[name] = (job.returncode, out, errors)
    return ends


def test_a_node_that_does_not_see_the_store_is_told_before_any_work(head, told):
    code, out, errors = told["later"]
    assert out == ""
    assert code == 2
    assert f"doesn't see the folder {head['PALO_STORE']} of this job" in errors
    assert "--store s3://" in errors


def test_a_node_that_joins_later_is_told_by_its_first_task(told):
    code, out, errors = told["earlier"]
    assert out == ""
    assert code == 2
    assert "doesn't see the folder" in errors
