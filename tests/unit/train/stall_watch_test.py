import dataclasses

import pytest

from palo.train.metrics import MetricsLog, StepMetrics
from palo.train.pulse import Pulse, stall_times
from palo.train.stall_watch import StallWatch

HERE = Pulse(
    rank=0, node="10.0.0.4", process=40, beat=1, phase="forward", step=45, phase_s=1.0,
    collectives=900,
)  # fmt: skip


def do_step(log, step, step_s=1.0):
    log.append(
        StepMetrics(
            step=step, num_steps=9, loss=0.5, grad_norm=1.0, lr_scale=1.0, num_samples=1,
            num_tokens=10, num_target_tokens=5, step_s=step_s, data_wait_s=0.0, time=0.0,
        )
    )  # fmt: skip


class Watched:
    """A watch with a clock that tests set, and a board whose live workers beat at each look."""

    def __init__(self, folder, stall_s=1800.0):
        self.path, self.folder = folder / "metrics.jsonl", folder
        self.now, self.said, self.board = 0.0, [], None
        self.pulses, self.stopped = [], set()
        self.log = MetricsLog(self.path, start_step=0)
        times = stall_times(stall_s)
        self.watch = StallWatch(self.path, times, self.said.append, folder, clock=lambda: self.now)

    def read(self):
        self.pulses = [
            one
            if one.rank in self.stopped
            else dataclasses.replace(one, beat=one.beat + 1, phase_s=self.now)
            for one in self.pulses
        ]
        return self.pulses

    def look_until(self, until, every=5.0):
        while self.now < until:
            self.now += every
            self.watch.look(self.board)


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path)


def test_a_stage_that_does_no_steps_any_more_is_told_now_and_then(watched):
    watched.look_until(1000.0)  # workers that start miss no step
    do_step(watched.log, 0)
    watched.look_until(1005.0)
    for watched.now in (1100.0, 1126.0, 1130.0, 1300.0):
        watched.watch.look()
    assert len(watched.said) == 2
    assert "no step for 2 min" in watched.said[0]
    assert "wait up to 30 min" in watched.said[0]
    do_step(watched.log, 1)
    watched.look_until(1400.0)
    assert len(watched.said) == 2


def test_long_steps_are_no_stall(watched):
    do_step(watched.log, 0, step_s=60.0)
    watched.watch.look()
    watched.now = 600.0
    watched.watch.look()
    assert watched.said == []
    watched.now = 1300.0
    watched.watch.look()
    assert len(watched.said) == 1


def test_the_worker_that_others_wait_for_is_named_with_its_place_and_its_stacks(watched):
    behind = dataclasses.replace(
        HERE, rank=1, node="10.0.0.5", phase="backward", collectives=899, stacks="loader.py:8"
    )
    watched.pulses, watched.board = [HERE, behind], watched
    watched.look_until(130.0)
    (line,) = watched.said
    assert line.startswith(
        "no step for 2 min 0 s: worker 1 on node 10.0.0.5 has been in the backward pass of step 45 "
        "for 2 min 5 s; worker 0 waits for it; others wait up to 30 min 0 s; "
    )
    assert str(watched.folder / "stacks.txt") in line
    assert "loader.py:8" in (watched.folder / "stacks.txt").read_text()
    assert watched.watch.cause in line


def test_a_process_that_is_stopped_is_named_though_it_is_ahead(watched):
    watched.pulses = [HERE, dataclasses.replace(HERE, rank=1, process=41, collectives=901)]
    watched.board, watched.stopped = watched, {1}
    watched.look_until(130.0)
    (line,) = watched.said
    assert "worker 1 on node 10.0.0.4 has given no sign of life for 2 min" in line
    assert "its process 41 is stopped" in line
    assert "worker 0 waits for it" in line


def test_workers_that_go_on_are_no_stall_and_have_no_cause(watched):
    class Moving(Watched):
        def read(self):
            return [dataclasses.replace(one, phase_s=0.1) for one in super().read()]

    moving = Moving(watched.folder)
    moving.pulses, moving.board = [HERE], moving
    moving.look_until(130.0)
    (line,) = moving.said
    assert "the workers go on, at step 45" in line
    assert moving.watch.cause is None


def test_the_workers_of_another_attempt_miss_no_step_before_they_are_there(watched):
    watched.pulses, watched.board = [HERE], watched
    watched.look_until(130.0)
    assert len(watched.said) == 1
    watched.board = None
    watched.look_until(2000.0)
    other = Watched(watched.folder)
    watched.board = other
    watched.look_until(4000.0)
    assert len(watched.said) == 1
    other.pulses = [HERE]
    watched.look_until(4010.0)
    assert watched.watch.cause is None
    watched.look_until(4150.0)
    assert len(watched.said) == 2


def test_a_short_patience_tells_sooner(tmp_path):
    watched = Watched(tmp_path, stall_s=40.0)
    watched.pulses, watched.board = [HERE], watched
    watched.look_until(13.0, every=1.0)
    assert "no step for 10 s: worker 0" in watched.said[0]
