"""Ray Train and DeepSpeed against one plain process, and what happens when workers die."""

import dataclasses
import json
import os
import signal
import threading
import time

import psutil
import pytest

from palo.checkpoint import trainable
from palo.errors import ResourceError
from palo.train.engine import PlainEngine
from palo.train.eval_callback import EvalCallback, read_notes
from palo.train.launch import run_stage
from palo.train.metrics import read_metrics
from palo.train.stages import WorkerSettings, ZeroSettings
from palo.train.worker import train_stage

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


@pytest.fixture
def plain_losses(make_job):
    """Losses of two epochs in one process without DeepSpeed."""
    job = make_job("plain", epochs=2)
    train_stage(job, PlainEngine)
    return losses(job)


def test_two_zero_workers_equal_one_plain_process(make_job, plain_losses):
    """Other ways to divide the work do so in tests/unit/train/two_workers_test.py, without Ray."""
    job = make_job(epochs=2, zero=ZeroSettings(stage=3, partition_at_load=True))
    notes = job.output / "notes.jsonl"

    def evaluate(stage, done):
        line = json.dumps({"note": f"{done} {sorted(path.name for path in stage.iterdir())}"})
        notes.write_text(line + "\n")

    run_stage(job, EvalCallback(every=4, run=evaluate, notes=notes))
    assert read_notes(notes) == [
        "8 ['adapter', 'lineage.json', 'model.json', 'projector.safetensors']"
    ]
    assert losses(job) == pytest.approx(plain_losses, abs=1e-5)
    plain = trainable.read_states(trainable.every(job.output.parent / "plain" / "checkpoints")[-1])
    for name, state in trainable.read_states(trainable.every(job.checkpoints)[-1]).items():
        assert state.weight.sub(plain[name].weight).abs().max() < 1e-4, name


def train_workers() -> list[psutil.Process]:
    """Lists the processes of this session's training workers."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "RayTrainWorker" in " ".join(process.cmdline())
    ]


@pytest.mark.proof
def test_a_killed_worker_is_replaced_and_the_losses_stay_the_same_bit_for_bit(make_job, prove):
    undisturbed = make_job("undisturbed", epochs=10, checkpoint_every=4)
    run_stage(undisturbed)
    killed = make_job("killed", epochs=10, checkpoint_every=4)
    victims = []

    def kill_in_mid_epoch():
        while len(losses(killed)) < 13:
            time.sleep(0.01)
        victims.append(train_workers()[-1])
        os.kill(victims[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_in_mid_epoch)
    killer.start()
    run_stage(killed)
    killer.join()
    assert not victims[0].is_running()
    pairs = zip(losses(killed), losses(undisturbed), strict=True)
    differences = [abs(one - other) for one, other in pairs]
    prove("a killed worker", "difference of a step's loss", max(differences), 0.0)


def test_one_worker_goes_on_where_two_stopped(make_job, plain_losses):
    job = make_job(epochs=2)
    stopper = threading.Thread(target=press_ctrl_c_after, args=(job, 3))
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        run_stage(job)
    stopper.join()
    num_done = len(losses(job))
    assert 3 <= num_done < len(plain_losses)
    assert trainable.read_cursor(trainable.every(job.checkpoints)[-1]).step == num_done
    alone = dataclasses.replace(job.config, workers=WorkerSettings(count=1))
    run_stage(dataclasses.replace(job, config=alone))
    assert losses(job) == pytest.approx(plain_losses, abs=1e-5)


def press_ctrl_c_after(job, num_steps):
    while len(losses(job)) < num_steps:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)


def test_more_workers_than_cpus_is_said_at_once(make_job):
    job = make_job(workers=WorkerSettings(count=64))
    with pytest.raises(ResourceError, match=r"no room for 64 training workers: .*4 CPUs"):
        run_stage(job)
