"""Workers that hang under Ray: they are named, and the stage loses nothing."""

import dataclasses
import os
import signal
import threading
import time

import psutil
import pytest
import ray

from palo.train.launch import run_stage
from palo.train.metrics import read_metrics
from palo.train.pulse import Pulse
from palo.train.ray_board import RayBoard
from palo.train.stages import WorkerSettings

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]
_PULSE = Pulse(
    rank=0, node="10.0.0.4", process=40, beat=1, phase="forward", step=45, phase_s=1.0,
    collectives=900, stacks="loader.py:8",
)  # fmt: skip


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def test_signs_of_life_reach_the_job_by_the_clusters_head_and_leave_nothing_there():
    @ray.remote(num_cpus=0)
    def work(rank):
        for beat in (1, 2):
            RayBoard("one").write(dataclasses.replace(_PULSE, rank=rank, beat=beat))

    other = RayBoard("another")
    other.write(_PULSE)
    ray.get([work.remote(rank) for rank in range(2)])
    board = RayBoard("one")
    told = sorted(board.read(), key=lambda pulse: pulse.rank)
    assert told == [dataclasses.replace(_PULSE, rank=rank, beat=2) for rank in range(2)]
    board.clear()
    assert board.read() == []
    assert other.read() == [_PULSE]
    other.clear()


@pytest.mark.drill
@pytest.mark.timeout(900)
def test_a_worker_whose_process_is_stopped_is_named_and_replaced(make_job, capsys):
    undisturbed = make_job("undisturbed", epochs=10, checkpoint_every=4)
    run_stage(undisturbed)
    patience = WorkerSettings(count=2, stall_s=60.0)
    job = make_job("stopped", epochs=10, checkpoint_every=4, workers=patience)
    victims = []

    def stop_in_mid_epoch():
        while len(losses(job)) < 13:
            time.sleep(0.01)
        family = psutil.Process().children(recursive=True)
        victims.append(next(one for one in family if "RayTrainWorker" in " ".join(one.cmdline())))
        os.kill(victims[0].pid, signal.SIGSTOP)

    stopper = threading.Thread(target=stop_in_mid_epoch)
    stopper.start()
    run_stage(job)
    stopper.join()
    said = capsys.readouterr().out
    assert "has given no sign of life for" in said
    assert f"its process {victims[0].pid} is stopped" in said
    assert "a worker was lost (1 of 3), resuming from the newest checkpoint: worker" in said
    assert not victims[0].is_running()
    assert losses(job) == losses(undisturbed)
