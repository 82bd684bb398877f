import threading
import time
from types import SimpleNamespace

import pytest

from palo.errors import ResourceError, TrainingError
from palo.train.attempts import Stage, run_attempts, sizes
from palo.train.stages import WorkerSettings


class LostError(Exception):
    """A worker is gone."""


class TakenAwayError(Exception):
    """A node is taken away."""


class Cluster:
    """Attempts that end as a list says, on a cluster with room that they may change."""

    def __init__(self, workers, ends, room=8):
        self.room = room
        self.came_back = threading.Event()
        self.steps = 0
        self.works = True
        self.wished = []  # what is asked for and not released
        self.waits = []
        self.started = []
        self.said = []
        self.asked = threading.Event()
        self.stopping = threading.Event()
        self.finished = False
        self._ends = list(ends)
        self.stage = Stage(
            workers=workers,
            fit=self._fit,
            await_room=self._await_room,
            ask_for=self._ask_for,
            progress=self._progress,
            is_finished=lambda: self.finished,
            ask_to_stop=self.asked.set,
            lost_worker=lambda error: isinstance(error, LostError),
            preempted=lambda error: isinstance(error, TakenAwayError),
            reason=str,
            say=self.said.append,
        )

    def _progress(self):
        self.steps += self.works
        return self.steps

    def _await_room(self, count, wait_s):
        assert not self.wished, "what was asked for before is still asked for"
        self.waits.append((count, wait_s))
        if count > self.room:
            raise ResourceError(f"no room for {count}", seen=f"room for {self.room}", fix="Wait.")

    def _ask_for(self, count):
        self.wished.append(count)
        return SimpleNamespace(
            is_there=lambda timeout_s: self.came_back.wait(0.01),
            release=lambda: self.wished.remove(count),
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
        run_attempts(self.stage, min(self.room, self.stage.workers.count), self.stopping)


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


def test_half_the_workers_go_on_and_all_of_them_when_the_rest_has_room_again():
    cluster = Cluster(WorkerSettings(count=8, least=2, wait_s=600.0), [])

    def lose_a_node():
        cluster.room = 5
        return LostError()

    def come_back():
        while cluster.wished != [4]:  # all the while it runs on half of them
            time.sleep(0.001)
        cluster.room = 8
        cluster.came_back.set()
        assert cluster.asked.wait(5)
        return "stopped"

    cluster._ends = [lose_a_node, come_back, "finished"]
    cluster.run()
    assert cluster.started == [8, 4, 8]
    assert cluster.wished == []
    assert cluster.waits == [(8, 600.0), (4, 30.0), (8, 600.0)]
    assert "starting 4 of 8 workers, attempt 2" in cluster.said
    assert "the cluster has room for 8 workers again" in cluster.said


def test_room_that_a_stage_itself_makes_at_its_end_is_no_news():
    """Regression: a stage that had ended on one worker said that there was room for two again."""
    cluster = Cluster(WorkerSettings(count=2, least=1), [], room=1)

    def end():
        while not cluster.wished:
            time.sleep(0.001)
        cluster.finished = True  # the result is written before its workers end
        cluster.came_back.set()
        time.sleep(0.05)
        return "finished"

    cluster._ends = [end]
    cluster.run()
    assert not any("has room" in line for line in cluster.said)
    assert not cluster.asked.is_set()


def test_a_stage_that_ends_on_fewer_workers_asks_for_no_more():
    cluster = Cluster(WorkerSettings(count=2, least=1), ["finished"], room=1)
    cluster.run()
    assert cluster.started == [1]
    assert cluster.wished == []


def test_nothing_is_asked_for_before_the_workers_have_their_own_room():
    """Regression: the room of the only worker was taken for the second one, and growth began."""
    cluster = Cluster(WorkerSettings(count=2, least=1), [], room=1)
    cluster.works = False
    cluster.came_back.set()

    def start_slowly():
        assert not cluster.asked.wait(0.1)
        assert cluster.wished == []
        return "finished"

    cluster._ends = [start_slowly]
    cluster.run()
    assert cluster.started == [1]
    assert cluster.said == ["starting 1 of 2 workers, attempt 1"]


def test_without_room_for_a_replacement_it_ends_with_what_is_missing_and_kept():
    cluster = Cluster(WorkerSettings(count=4, least=2), [])

    def lose_two_nodes():
        cluster.room = 1
        return LostError()

    cluster._ends = [lose_two_nodes]
    with pytest.raises(ResourceError, match=r"no room for 2.*room for 1.*checkpoint is kept"):
        cluster.run()
    assert [count for count, _ in cluster.waits] == [4, 2]


def test_a_cluster_has_time_to_notice_a_lost_node_even_where_nothing_is_waited_for():
    cluster = Cluster(WorkerSettings(count=2, wait_s=0.0), [LostError(), "finished"])
    cluster.run()
    assert cluster.waits == [(2, 30.0)]


def test_a_job_that_is_stopped_after_a_loss_waits_for_nothing():
    cluster = Cluster(WorkerSettings(count=2), [])

    def lose_a_worker_and_stop():
        cluster.stopping.set()
        return LostError()

    cluster._ends = [lose_a_worker_and_stop]
    cluster.run()
    assert cluster.waits == []


def test_sizes_halve_down_to_the_least():
    assert list(sizes(WorkerSettings(count=8, least=2, wait_s=0.0))) == [8, 4, 2]
    assert list(sizes(WorkerSettings(count=8, least=3, wait_s=0.0))) == [8, 4, 3]
    assert list(sizes(WorkerSettings(count=3))) == [3]
