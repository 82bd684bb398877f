import threading

import pytest

from palo.errors import ResourceError, TrainingError
from palo.train import attempts
from palo.train.attempts import Stage, run_attempts, sizes
from palo.train.stages import WorkerSettings


class LostError(Exception):
    """A worker is gone."""


class TakenAwayError(Exception):
    """A node is taken away."""


class Cluster:
    """Attempts that end as a list says, on a cluster of a size that they may change."""

    def __init__(self, workers, ends, capacity=8):
        self.capacity = capacity
        self.gone = 0  # workers of nodes that are lost and still counted
        self.started = []
        self.said = []
        self.asked = threading.Event()
        self.finished = False
        self._ends = list(ends)
        self.stage = Stage(
            workers=workers,
            fit=self._fit,
            capacity=lambda: self.capacity,
            has_room=lambda count: count <= self.capacity - self.gone,
            is_finished=lambda: self.finished,
            ask_to_stop=self.asked.set,
            lost_worker=lambda error: isinstance(error, LostError),
            preempted=lambda error: isinstance(error, TakenAwayError),
            reason=str,
            say=self.said.append,
        )

    def _fit(self, count, number):
        assert number == len(self.started)
        self.started.append(count)
        end = self._ends.pop(0)
        if isinstance(end, Exception):
            raise end
        if callable(end):
            end = end()
            if isinstance(end, Exception):
                raise end
        self.finished = end == "finished"

    def run(self):
        run_attempts(self.stage, threading.Event(), look_every_s=0.001)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(attempts, "_LEAST_WAIT_S", 0.01)
    monkeypatch.setattr(attempts, "_STEADY_S", 0.0)


def test_a_lost_worker_is_replaced_so_often_and_no_more():
    workers = WorkerSettings(count=2, max_failures=2)
    cluster = Cluster(workers, [LostError(), LostError(), "finished"])
    cluster.run()
    assert cluster.started == [2, 2, 2]
    cluster = Cluster(workers, [LostError()] * 3)
    with pytest.raises(LostError):
        cluster.run()


def test_what_every_attempt_would_meet_is_not_repeated():
    cluster = Cluster(WorkerSettings(), [TrainingError("the loss is not finite")])
    with pytest.raises(TrainingError):
        cluster.run()
    assert cluster.started == [2]


def test_notices_of_preemption_count_as_no_failure():
    cluster = Cluster(WorkerSettings(max_failures=0), [TakenAwayError()] * 5 + ["finished"])
    cluster.run()
    assert len(cluster.started) == 6


def test_a_stage_that_was_stopped_is_not_started_again():
    cluster = Cluster(WorkerSettings(), ["stopped"])
    cluster.run()
    assert cluster.started == [2]


def test_half_the_workers_go_on_and_all_of_them_when_the_cluster_can_hold_them_again():
    cluster = Cluster(WorkerSettings(count=8, least=2, wait_s=0.0), [])

    def lose_a_node():
        cluster.capacity = 5
        return LostError()

    def come_back():
        cluster.capacity = 8
        assert cluster.asked.wait(5)
        return "stopped"

    cluster._ends = [lose_a_node, come_back, "finished"]
    cluster.run()
    assert cluster.started == [8, 4, 8]
    assert "no room for 8 workers, and counts 5; waiting" in cluster.said[1]
    assert "starting 4 of 8 workers, attempt 2" in cluster.said
    assert "the cluster can hold 8 workers again" in cluster.said


def test_without_room_for_a_replacement_it_is_waited_for_aloud_and_then_told():
    cluster = Cluster(WorkerSettings(count=2, wait_s=0.0), [])

    def lose_a_node():
        cluster.capacity = 1
        return LostError()

    cluster._ends = [lose_a_node]
    with pytest.raises(ResourceError, match=r"can't hold 2 training workers: 1 after a wait"):
        cluster.run()
    assert any("no room for 2 workers, and counts 1; waiting" in line for line in cluster.said)


def test_sizes_halve_down_to_the_least():
    assert list(sizes(WorkerSettings(count=8, least=2, wait_s=0.0))) == [8, 4, 2]
    assert list(sizes(WorkerSettings(count=8, least=3, wait_s=0.0))) == [8, 4, 3]
    assert list(sizes(WorkerSettings(count=3))) == [3]


def test_a_lost_node_that_the_cluster_still_counts_is_no_room():
    cluster = Cluster(WorkerSettings(count=2, least=1, wait_s=0.0), [])

    def lose_a_node():
        cluster.capacity, cluster.gone = 2, 1
        return LostError()

    cluster._ends = [lose_a_node, "finished"]
    cluster.run()
    assert cluster.started == [2, 1]


def test_a_stage_grows_only_where_the_cluster_has_held_all_for_a_while(monkeypatch):
    monkeypatch.setattr(attempts, "_STEADY_S", 60.0)
    cluster = Cluster(WorkerSettings(count=2, least=1, wait_s=0.0), [], capacity=2)

    def lose_a_node():
        cluster.gone = 1
        return LostError()

    def go_on():
        assert not cluster.asked.wait(0.05)
        return "finished"

    cluster._ends = [lose_a_node, go_on]
    cluster.run()
    assert cluster.started == [2, 1]
