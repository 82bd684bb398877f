import dataclasses
import threading
from types import SimpleNamespace

import pytest
import ray.exceptions
import torch
from ray.train.v2._internal.exceptions import (
    UserExceptionWithTraceback,
    WorkerGroupStartupFailedError,
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError
from torch.distributed import DistNetworkError

from palo import storage
from palo.errors import MismatchError, StorageError
from palo.train import launch
from palo.train.launch import compute_on_cpu, run_stage, worker_environment
from palo.train.metrics import MetricsLog, StepMetrics
from palo.train.ray_failures import lost_worker, palo_error, reason
from palo.train.stages import WorkerSettings


def caused_by(cause):
    error = RuntimeWarning("Ray's wrapper")
    error.__cause__ = cause
    return error


def test_a_process_that_is_gone_may_be_replaced():
    assert lost_worker(caused_by(ray.exceptions.ActorDiedError()))
    assert lost_worker(caused_by(ray.exceptions.NodeDiedError("gone")))
    assert lost_worker(caused_by(DistNetworkError("connection closed by peer")))


def test_a_worker_that_ray_train_finds_dead_may_be_replaced():
    dead = WorkerHealthCheckFailedError("gone", failure=ray.exceptions.ActorDiedError())
    assert lost_worker(WorkerGroupError("one failed", worker_failures={1: dead}))


def test_a_worker_whose_process_is_stopped_may_be_replaced():
    """Regression: Ray Train's own error for one that doesn't answer ended the stage."""
    stopped = WorkerHealthCheckTimeoutError("it has been hanging for 600 seconds")
    assert lost_worker(WorkerGroupError("one failed", worker_failures={1: stopped}))


def test_a_worker_that_is_gone_before_it_has_started_may_be_replaced():
    """Regression: Ray Train's own error, which keeps nothing of Ray's but its text, ended it."""
    failed = WorkerGroupStartupFailedError("One of the worker actors failed to initialize")
    assert lost_worker(ControllerError(failed))


def test_our_own_error_is_found_inside_what_ray_train_wraps_it_in():
    own = UserExceptionWithTraceback(MismatchError("another corpus"), "a traceback")
    assert not lost_worker(WorkerGroupError("one failed", worker_failures={0: own}))


def test_an_error_that_every_attempt_would_meet_is_not_repeated():
    assert not lost_worker(caused_by(MismatchError("another corpus")))
    assert not lost_worker(caused_by(KeyError("x")))
    assert not lost_worker(caused_by(NotImplementedError()))
    assert not lost_worker(caused_by(torch.OutOfMemoryError()))


def test_our_own_error_counts_even_where_other_workers_lost_their_peer():
    error = caused_by(DistNetworkError("connection closed by peer"))
    error.worker_failures = {0: MismatchError("another corpus")}
    assert not lost_worker(error)


def test_a_machine_without_memory_is_told_in_words(make_job):
    killed = ray.exceptions.OutOfMemoryError("a long text with a link to a manual")
    told = str(palo_error(make_job(), WorkerGroupError("one failed", worker_failures={0: killed})))
    assert "ran out of memory" in told
    assert "token_budget" in told
    assert "https" not in told


def test_cpu_workers_share_out_the_threads_and_keep_their_memory():
    assert worker_environment(WorkerSettings())["MALLOC_MMAP_MAX_"] == "0"
    assert worker_environment(WorkerSettings(cpus=2.0))["OMP_NUM_THREADS"] == "2"
    assert worker_environment(WorkerSettings(cpus=0.5))["OMP_NUM_THREADS"] == "1"
    assert worker_environment(WorkerSettings(use_gpu=True)) == {}


def test_numbers_too_small_for_full_speed_are_zero_in_every_thread_of_a_cpu_worker():
    results = []

    def work():
        compute_on_cpu(WorkerSettings(cpus=2.0))
        tiny = torch.full((1 << 20,), 1e-30)
        results.append(float((tiny * 1e-10).max()))

    before = torch.get_num_threads()
    worker = threading.Thread(target=work)  # the setting belongs to a thread, not to the process
    worker.start()
    worker.join()
    torch.set_num_threads(before)
    assert float((torch.full((1,), 1e-30) * 1e-10).max()) > 0
    assert results == [0.0]


def train_without_workers(monkeypatch, wait, error=None):
    """Has a stage look at the end of a training by `wait`, which ends with an error."""
    trainer = SimpleNamespace(
        thread=threading.Thread(),
        ended=SimpleNamespace(wait=wait),
        stopping=threading.Event(),
        board=None,
        error=error,
    )
    monkeypatch.setattr(launch, "_TrainerThread", lambda *_: trainer)
    monkeypatch.setattr(launch, "await_workers", lambda workers, say: None)


@pytest.fixture
def ctrl_c(monkeypatch):
    """Has a stage without workers take a Ctrl-C at each look, after what `before` does."""
    before = []

    def wait(timeout):
        before.pop(0)()
        raise KeyboardInterrupt

    train_without_workers(monkeypatch, wait)
    return before


def test_a_ctrl_c_before_the_first_step_ends_at_once(make_job, ctrl_c, capsys):
    """Regression: it waited for the workers to start, 45 seconds on a busy machine."""
    job = make_job()
    ctrl_c.append(lambda: None)
    with pytest.raises(KeyboardInterrupt):
        run_stage(job)
    assert not job.stop_file.exists()
    assert "stopping" not in capsys.readouterr().out


def test_a_later_ctrl_c_asks_for_a_checkpoint_and_a_second_one_ends_at_once(
    make_job, ctrl_c, capsys
):
    job = make_job()

    def step():
        MetricsLog(job.metrics, start_step=0).append(
            StepMetrics(
                step=0, num_steps=9, loss=0.5, grad_norm=1.0, lr_scale=1.0, num_samples=1,
                num_tokens=10, num_target_tokens=5, step_s=1.0, data_wait_s=0.0, time=0.0,
            )
        )  # fmt: skip

    asked = []
    ctrl_c += [step, lambda: asked.append(job.stop_file.exists())]
    with pytest.raises(KeyboardInterrupt):
        run_stage(job)
    assert asked == [True]
    assert "stopping after this step" in capsys.readouterr().out


def test_a_store_that_stays_away_does_not_hide_why_the_training_ended(
    make_job, bucket, monkeypatch
):
    """Regression: the error was that the stop file couldn't be deleted."""
    job = dataclasses.replace(make_job(), output=bucket / "run" / "finetune")
    away = StorageError("the run's store has been away for 20 s")

    def unreachable(path, missing_ok=False):
        raise StorageError("can't delete", seen=str(path))

    def wait(timeout):
        monkeypatch.setattr(storage.S3Path, "unlink", unreachable)
        return True

    train_without_workers(monkeypatch, wait, caused_by(away))
    with pytest.raises(StorageError, match="has been away"):
        run_stage(job)


def test_the_rest_of_the_workers_is_asked_for_with_the_kind_of_gpu_that_trains(
    make_job, monkeypatch
):
    """Another kind would be there, and then too few of either for all workers."""
    asked = []
    monkeypatch.setattr(launch, "ask_for", asked.append)
    job = make_job()
    kinds = {"use_gpu": True, "gpu_kinds": ("H100", "A100")}
    workers = dataclasses.replace(job.config.workers, count=8, **kinds)
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, workers=workers))
    thread = launch._TrainerThread(job, None, "proof", 4, print, stall=None, kind="A100")
    thread._ask_for(4)
    assert [(one.count, one.gpu_kinds) for one in asked] == [(4, ("A100",))]


def test_a_reason_leaves_out_where_a_library_has_its_source():
    gloo = "RuntimeError: [/__w/gloo/tcp/pair.cc:537] Read error [10.0.0.3]:6826: reset by peer"
    told = reason(RuntimeError(f"a trace\n{gloo}"))
    assert told == "RuntimeError: Read error [10.0.0.3]:6826: reset by peer"


def test_a_worker_that_has_waited_in_vain_is_told_with_whom_it_waited_for(make_job):
    error = WorkerGroupError("one failed", worker_failures={0: RuntimeError("timed out")})
    stall = "worker 1 on node 10.0.0.5 has been waiting for data after step 44 for 30 min 0 s"
    assert reason(error, stall).startswith(f"{stall}; ")
    assert stall in str(palo_error(make_job(), error, stall))
