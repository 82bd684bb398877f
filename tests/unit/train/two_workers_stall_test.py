"""Two workers of which one hangs: processes of this test, without Ray."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest
from tests.fixtures.loaded_processes import run_workers
from tests.fixtures.pulse_board import FolderBoard

from palo.train.pulse import StallTimes
from palo.train.stall_watch import StallWatch

_TIMES = StallTimes(beat_s=0.1, silent_s=0.8, tell_s=1.0, give_up_s=60.0, end_s=900.0, tell_steps=1)
_STOPPED, _LOOPING, _READING = 3, 6, 8
"""In which step a process is stopped, computes without an end, or after which it waits for data."""


def work(job, folder):
    """One worker of two: each hangs in its steps until it is named."""
    from torch import distributed

    from palo.train import worker
    from palo.train.activity import Activity
    from palo.train.pulse import Heartbeat
    from palo.train.zero_engine import ZeroEngine

    rank, activity = distributed.get_rank(), Activity()

    def wait_until_named(step):
        while not (folder / f"named-{step}").exists():
            time.sleep(0.01)

    class HangingLoader(worker.PackLoader):
        def __next__(self):
            batch = super().__next__()
            if rank == 1 and batch.step == _READING:
                wait_until_named(_READING)
            return batch

    class HangingEngine(ZeroEngine):
        def backward(self, loss, *, last):
            step = activity.now.step
            if rank == 1 and step == _STOPPED and not (folder / f"named-{step}").exists():
                os.kill(os.getpid(), signal.SIGSTOP)
            if rank == 0 and step == _LOOPING:
                wait_until_named(step)
            super().backward(loss, last=last)

    worker.PackLoader = HangingLoader
    board = FolderBoard(folder / "board")
    with Heartbeat(board, rank, f"10.0.0.{rank}", activity, _TIMES):
        return worker.train_stage(job, HangingEngine, activity=activity) is not None


class Rescuer:
    """Watches a stage as the job's process does, and has the worker that is named go on."""

    def __init__(self, job, folder):
        self.lines, self._folder = {}, folder
        self._board, self._ended = FolderBoard(folder / "board"), threading.Event()
        self._watch = StallWatch(job.metrics, _TIMES, self._name, folder)
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _look(self):
        while not self._ended.wait(0.05):
            with suppress(FileNotFoundError):  # the metrics of a stage that has just begun
                self._watch.look(self._board)

    def _name(self, line):
        reading = f"been waiting for data after step {_READING} for"
        expected = {
            _STOPPED: "worker 1 on node 10.0.0.1 has given no sign of life",
            _LOOPING: f"worker 0 on node 10.0.0.0 has been in the backward pass of step {_LOOPING}",
            _READING: f"worker 1 on node 10.0.0.1 has {reading}",
        }
        for step, words in expected.items():
            # A sign of life from just before the telling has no stacks yet; the next telling has.
            if words in line and step not in self.lines and self._is_located(step):
                self.lines[step] = line
                (self._folder / f"named-{step}").touch()
        for pulse in self._board.read():
            if f"process {pulse.process} is stopped" in line:
                os.kill(pulse.process, signal.SIGCONT)

    def _is_located(self, step):
        """Returns whether the stacks show where a worker hangs; a stopped process sends none."""
        kept = self._folder / "stacks.txt"
        return step == _STOPPED or (kept.exists() and "in wait_until_named" in kept.read_text())


@pytest.mark.timeout(900)
def test_a_worker_that_hangs_is_named_where_it_hangs_and_the_stage_loses_nothing(
    make_job, tmp_path
):
    job = make_job(epochs=2)
    with Rescuer(job, tmp_path) as rescuer:
        assert run_workers(2, work, job, tmp_path) == [True, False]
    assert sorted(rescuer.lines) == [_STOPPED, _LOOPING, _READING]
    for line, waiting in zip(rescuer.lines.values(), (0, 1, 0), strict=True):
        assert f"; worker {waiting} waits for it; " in line


def give_up(folder):
    """One worker of two: the second one doesn't come to a collective operation of DeepSpeed's."""
    import torch
    from deepspeed import comm
    from deepspeed.utils import groups
    from torch import distributed

    from palo.train.zero_engine import join_workers

    join_workers("gloo", stall_s=1.0)
    group, ended = groups._get_data_parallel_group(), folder / "ended"
    if distributed.get_rank() == 1:
        while not ended.exists():
            time.sleep(0.01)
        return ""
    try:
        comm.all_reduce(torch.ones(3), group=group)
    except RuntimeError as error:
        return str(error)
    finally:
        ended.touch()


@pytest.mark.timeout(900)
def test_those_who_wait_give_up_as_the_settings_say(tmp_path):
    """Regression: DeepSpeed's own groups waited for half an hour whatever the settings said."""
    told, _ = run_workers(2, give_up, tmp_path)
    assert "1000ms" in told
