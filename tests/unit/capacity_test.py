from dataclasses import replace

import pytest

from palo import capacity
from palo.capacity import Node, Share, await_capacity, choose_kind
from palo.errors import ResourceError

A100 = {"CPU": 96.0, "GPU": 8.0, "accelerator_type:A100": 1.0}
A10G = {"CPU": 8.0, "GPU": 1.0, "accelerator_type:A10G": 1.0}
SHARE = Share(workers="training workers", count=8, cpus=8.0, gpus=1.0, gpu_kind="A100")


class FakeCluster:
    """A cluster to which a node joins at each look, until there are none left to join."""

    def __init__(self, nodes=(), joining=(), *, can_grow=True, busy_looks=0):
        self.up = list(nodes)
        self.joining = list(joining)
        self.can_grow = can_grow
        self.busy_looks = busy_looks
        self.wanted = None
        self.now = 0.0
        self.released = 0

    def nodes(self):
        return self.up

    def reserve(self, share):
        assert self.wanted is None, "what was asked for before is still asked for"
        self.wanted = share
        return self

    def is_there(self, timeout_s):
        if sum(node.holds(self.wanted) for node in self.up) >= self.wanted.count:
            self.busy_looks -= 1
            if self.busy_looks < 0:
                return True
        self.now += 20.0
        if self.joining:
            self.up.append(self.joining.pop(0))
        return False

    def release(self):
        self.wanted = None
        self.released += 1


@pytest.fixture
def wait(monkeypatch):
    """Waits for capacity by the cluster's own clock, and returns what was said."""

    def run(share, cluster, wait_s=100.0):
        monkeypatch.setattr(capacity.time, "monotonic", lambda: cluster.now)
        said = []
        await_capacity(share, cluster, wait_s, said.append, "Add nodes.")
        return said

    return run


def test_what_is_there_is_taken_without_a_word(wait):
    cluster = FakeCluster([Node(resources=A100)])
    assert wait(SHARE, cluster) == []
    assert cluster.released == 1


def test_a_cluster_scaled_to_zero_is_waited_for_and_says_what_is_missing(wait):
    """Regression: it was compared with the resources of that moment, and refused."""
    cluster = FakeCluster(
        [Node(resources={"CPU": 0.0})], [Node(resources={})] * 2 + [Node(resources=A100)]
    )
    said = wait(SHARE, cluster)
    assert "8 training workers, each with 8 CPUs and 1 GPU (A100)" in said[0]
    assert "room for 0, 8 missing (2 nodes: 0 CPUs, 0 GPUs)" in said[0]
    assert "20 s of at most 1 min 40 s" in said[0]
    assert cluster.released == 1


def test_a_cluster_that_stays_too_small_is_an_error_that_says_how_long_it_was_waited_for(wait):
    cluster = FakeCluster([Node(resources=A10G)])
    with pytest.raises(ResourceError) as caught:
        wait(SHARE, cluster)
    assert "after 1 min 40 s" in caught.value.fact
    assert "1 node: 8 CPUs, 1 GPU (A10G)" in caught.value.seen
    assert caught.value.fix == "Add nodes."
    assert cluster.wanted is None


def test_nodes_that_others_use_are_waited_for(wait):
    cluster = FakeCluster([Node(resources=A100)], busy_looks=2)
    assert "its nodes are in use" in wait(SHARE, cluster)[0]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ResourceError("gone"), ConnectionError])
def test_however_the_waiting_ends_nothing_stays_asked_for(wait, stop):
    """Regression: a request for nodes outlived the run, and GPUs stayed rented for ever."""
    cluster = FakeCluster()

    def interrupted(timeout_s):
        raise stop

    cluster.is_there = interrupted
    with pytest.raises(type(stop) if isinstance(stop, Exception) else stop):
        wait(SHARE, cluster)
    assert cluster.wanted is None
    assert cluster.released == 1


@pytest.mark.parametrize(("can_grow", "wait_s"), [(False, 100.0), (True, 0.0)])
def test_a_private_ray_refuses_at_once_and_asks_for_nothing(wait, can_grow, wait_s):
    cluster = FakeCluster([Node(resources={"CPU": 2.0})], can_grow=can_grow)
    with pytest.raises(ResourceError, match="no room for 8 training workers"):
        wait(SHARE, cluster, wait_s)
    assert cluster.released == 0
    wait(replace(SHARE, count=2, cpus=1.0, gpus=0.0), cluster, wait_s)


def test_workers_go_to_nodes_with_all_their_labels_only():
    node = Node(resources=A100, labels={"palo-role": "train", "zone": "a"})
    assert node.holds(replace(SHARE, node_labels={"palo-role": "train"})) == 8
    assert node.holds(replace(SHARE, node_labels={"palo-role": "serve"})) == 0
    assert node.holds(replace(SHARE, node_labels={"rack": "1"})) == 0


def test_a_worker_is_not_spread_over_two_nodes():
    halves = [Node(resources={"CPU": 4.0, "GPU": 1.0, "accelerator_type:A100": 1.0})] * 2
    assert sum(node.holds(SHARE) for node in halves) == 0


def test_shares_of_a_gpu_fit_several_times():
    quarter = Share(workers="encoders", count=4, cpus=0.1, gpus=0.25)
    assert Node(resources=A10G).holds(quarter) == 4


def test_all_workers_get_one_kind_of_gpu():
    """Regression: any GPU was taken, and fast and slow ones mixed."""
    a10g, a100 = Node(resources=A10G), Node(resources=A100)
    assert choose_kind(("A10G", "A100"), FakeCluster([a10g, a100]), count=8) == "A100"
    assert choose_kind(("A100", "A10G"), FakeCluster([a10g]), count=8) == "A10G"
    assert choose_kind(("A100", "A10G"), FakeCluster(), count=8) == "A100"
    assert choose_kind((), FakeCluster([a100]), count=8) is None
