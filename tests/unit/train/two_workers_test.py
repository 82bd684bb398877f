"""Two workers under ZeRO-3 with a run folder on S3, without Ray: processes of this test."""

import dataclasses
import multiprocessing
import os
import shutil
import socket

import pytest

from palo.checkpoint import trainable
from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.run_store import scratch_folder
from palo.train.stages import ZeroSettings
from palo.train.worker import train_stage


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def work(rank, port, job, notice_at, results):
    """One worker; the second one has its notice after some looks."""
    import torch

    from palo.train.faults import PreemptedError
    from palo.train.zero_engine import ZeroEngine, join_workers

    os.environ |= {
        "DS_ACCELERATOR": "cpu", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    torch.set_num_threads(1)
    join_workers("gloo")
    looks = []

    def notice():
        looks.append(1)
        return rank == 1 and len(looks) > notice_at

    try:
        train_stage(job, ZeroEngine, notice=notice)
        results.put((rank, "finished"))
    except PreemptedError:
        results.put((rank, "preempted"))


def run_two(job, notice_at):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    workers = [
        context.Process(target=work, args=(rank, port, job, notice_at, results))
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    ends = dict(results.get(timeout=400) for _ in workers)
    for worker in workers:
        worker.join()
    return ends


@pytest.mark.timeout(900)
def test_a_notice_to_one_worker_has_both_save_and_any_number_goes_on_from_the_store(
    make_job, bucket, tmp_path, monkeypatch
):
    monkeypatch.setenv("PALO_SCRATCH", str(tmp_path / "scratch"))
    zero = ZeroSettings(stage=3, persistence_threshold=0)
    local = make_job("plain", epochs=3, zero=zero, checkpoint_every=100)
    train_stage(local, PlainEngine)
    job = dataclasses.replace(local, output=bucket / "run")
    assert run_two(job, notice_at=5) == {0: "preempted", 1: "preempted"}
    (newest,) = trainable.every(job.checkpoints)
    assert trainable.read_cursor(newest).step == len(losses(job)) == 6
    shutil.rmtree(scratch_folder(job.output))
    assert run_two(job, notice_at=4) == {0: "preempted", 1: "preempted"}
    assert len(losses(job)) == 11
    train_stage(job, PlainEngine)
    assert losses(job) == pytest.approx(losses(local), abs=1e-5)
