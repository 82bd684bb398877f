"""Workers that lose a node before they have started: found, and given up.

Ray's make-believe nodes are processes of one machine here.
"""

import json
import os
import secrets
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

_PROGRAM = """
import json
import time

import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from palo.capacity import Share
from palo.train.ray_failures import lost_worker
from palo.train.start_watch import RayWorkerGroups

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
lost = cluster.add_node(num_cpus=2)
ray.init(address=cluster.address, log_to_driver=False)


def spread():
    group = placement_group([{"CPU": 1}] * 2, "STRICT_SPREAD")
    assert group.wait(60)
    return group


@ray.remote
class Worker:
    def name(self):
        return "worker"


@ray.remote(num_cpus=0, resources={"node:__internal_head__": 0.001})
class Controller:
    def hold(self):
        self.group = spread()

    def start(self):
        places = [PlacementGroupSchedulingStrategy(self.group, index) for index in range(2)]
        options = [Worker.options(num_cpus=1, scheduling_strategy=place) for place in places]
        workers = [one.remote() for one in options]
        return ray.get([worker.name.remote() for worker in workers])


controller = Controller.remote()
ray.get(controller.hold.remote())
own = spread()
groups = RayWorkerGroups(Share(workers="workers", count=2))
before = groups.without_node()
cluster.remove_node(lost)
while not (found := groups.without_node()):
    time.sleep(0.1)
started = controller.start.remote()
waits = not ray.wait([started], timeout=3)[0]
(group,) = found
groups.end(group)
try:
    ended = ray.get(started)
except ray.exceptions.RayError as error:
    ended = [type(error).__name__, lost_worker(error)]
while groups.without_node():  # its resources are given back soon
    time.sleep(0.1)
is_theirs = group.controller == controller._actor_id.hex()
print(json.dumps({"before": len(before), "theirs": is_theirs, "waits": waits, "ended": ended}))
"""


def test_workers_that_wait_for_a_lost_node_are_found_and_ended():
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    outer = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=outer | own,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {
        "before": 0,
        "theirs": True,  # the job's own process has a group that has lost a node, too
        "waits": True,
        "ended": ["ActorDiedError", True],
    }
