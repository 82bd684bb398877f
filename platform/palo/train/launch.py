"""Running a stage under Ray Train: checks resources, shows progress, and ends cleanly."""

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from palo import config, storage
from palo.capacity import CapacityRequest, RayCluster, Share
from palo.checkpoint.finished import StageResult, is_finished, read_stage
from palo.errors import ResourceError, StorageError
from palo.session import keep_extensions_apart
from palo.terminal import visible
from palo.train.activity import Activity
from palo.train.attempts import Stage, run_attempts, sizes
from palo.train.build_locks import free_build_locks
from palo.train.eval_callback import EvalCallback
from palo.train.faults import memory_explained
from palo.train.preemption import ray_notice
from palo.train.progress import TrainingProgress
from palo.train.pulse import stall_times
from palo.train.ray_board import RayBoard, own_heartbeat
from palo.train.ray_failures import lost_worker, palo_error, preempted, reason
from palo.train.run_page import RunPage
from palo.train.run_store import scratch_folder
from palo.train.stages import StageJob, WorkerSettings
from palo.train.stall_watch import StallWatch
from palo.train.start_watch import RayWorkerGroups, StartWatch
from palo.train.store_mirror import StoreMirror
from palo.train.store_proof import check_proof, leave_proof
from palo.train.worker_resources import ask_for, await_workers, scaling_config, worker_share

_POLL_S = 0.5
# Memory that a step frees stays with a worker on a CPU: its kernel would clear each page again
# for the next step, a sixth of the time. With arenas of their own, gloo's threads would give back
# what they gather.
_KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
_FIND_HANGS = {
    "RAY_TRAIN_ENABLE_NCCL_HANG_DETECTOR": "1",
    "RAY_TRAIN_NCCL_RAS_ACTION": "fail",
}


def run_stage(job: StageJob, callback: EvalCallback | None = None) -> StageResult:
    """Trains a stage on Ray's workers, from its newest checkpoint if it has one.

    Ctrl-C asks the workers to save a checkpoint and end; a second one, or one before the first
    step, ends at once.

    Args:
        job: The stage. Ray must be running.
        callback: Evaluates the model while it is trained.

    Returns:
        The finished stage.

    Raises:
        ResourceError: If the cluster lacks what the workers need.
        TrainingError: If too many workers were lost, or an unexpected error ended them.
        KeyboardInterrupt: If it was stopped; the checkpoint is written by then.
    """
    storage.ensure_folder(job.output)
    count = _await_enough(job.config.workers)  # here, where a Ctrl-C ends the waiting
    job.stop_file.unlink(missing_ok=True)
    proof = leave_proof(job)
    with StoreMirror(job, callback.notes if callback else None) as mirror:
        progress = TrainingProgress(job.name, mirror.files, mirror.notes)
        stall = StallWatch(
            mirror.files.metrics,
            stall_times(job.config.workers.stall_s),
            progress.say,
            job.output,
        )
        training = _TrainerThread(job, callback, proof, count, progress.say, stall)
        progress.say(f"starting {count} workers")
        training.thread.start()
        try:
            interrupted = _watch(job, training, progress, mirror, stall)
        finally:
            training.stopping.set()
            with suppress(StorageError):  # whatever ends the job says more
                job.proof.unlink(missing_ok=True)
    with suppress(StorageError):  # the next command takes it away, and the training's error counts
        job.stop_file.unlink(missing_ok=True)
    if training.error is not None:
        raise palo_error(job, training.error, stall.cause) from training.error
    if interrupted or not is_finished(job.output):
        raise KeyboardInterrupt
    return read_stage(job.output)


def _watch(
    job: StageJob,
    training: "_TrainerThread",
    progress: TrainingProgress,
    mirror: StoreMirror,
    stall: StallWatch,
) -> bool:
    """Shows progress until the training has ended; returns whether it was asked to stop."""
    interrupted = False
    ended = False
    page = RunPage(job.name, job.files)
    while not ended:
        try:
            # Not thread.join: in Python 3.11 a Ctrl-C there marks a running thread as ended.
            ended = training.ended.wait(_POLL_S)
            page.update(progress.update())
            stall.look(training.board)
        except KeyboardInterrupt:
            if interrupted or not progress.has_begun:  # no step is lost
                raise
            interrupted = True
            training.stopping.set()
            progress.say("stopping after this step; press Ctrl-C again to end at once")
            storage.write_text(job.stop_file, "")
    mirror.refresh()
    page.finish(progress.finish())
    return interrupted


@dataclass(slots=True)
class _TrainerThread:
    """Ray Train's blocking call in a thread: in the main one it would take over Ctrl-C."""

    job: StageJob
    callback: EvalCallback | None
    proof: str
    count: int
    say: Callable[[str], None]
    stall: StallWatch
    board: RayBoard | None = None
    kind: str | None = None
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name="palo-train", daemon=True)

    def _run(self) -> None:
        workers = self.job.config.workers
        stage = Stage(
            workers=workers,
            fit=self._fit,
            await_room=self._await_room,
            ask_for=self._ask_for,
            progress=lambda: _stamp(self.job.metrics),
            is_finished=lambda: is_finished(self.job.output),
            ask_to_stop=lambda: storage.write_text(self.job.stop_file, ""),
            lost_worker=lost_worker,
            preempted=preempted,
            reason=lambda error: reason(error, self.stall.cause),
            say=self.say,
        )
        try:
            run_attempts(stage, self.count, self.stopping)
        except Exception as error:  # handed to the main thread, which raises it
            self.error = error
        finally:
            self.ended.set()

    def _await_room(self, count: int, wait_s: float) -> None:
        workers = replace(self.job.config.workers, count=count, wait_s=wait_s)
        await_workers(workers, self.say, give_up=self.stopping.is_set)

    def _ask_for(self, count: int) -> CapacityRequest:
        """Asks for more workers with the kind of GPU of those that train: all must have one."""
        workers = replace(self.job.config.workers, count=count)
        return ask_for(replace(workers, gpu_kinds=(self.kind,)) if self.kind else workers)

    def _fit(self, count: int, attempt: int) -> None:
        if attempt and not self.stopping.is_set():
            self.job.stop_file.unlink(missing_ok=True)  # it asked the attempt before to end
        stage = self.job.config
        workers = replace(stage.workers, count=count, least=None)
        job = replace(self.job, config=replace(stage, workers=workers))
        share = worker_share(workers, RayCluster())
        self.kind = share.gpu_kind
        name = f"{self.proof}-{attempt}"  # the proof is this job's alone
        self.board = board = RayBoard(name)
        starting = StartWatch(RayWorkerGroups(share), lambda: bool(board.read()), self.say)
        try:
            trainer = _trainer(
                job, self.callback, share, attempt, {"proof": self.proof, "board": name}
            )
            with starting:
                trainer.fit()
        finally:
            board.clear()
            self.board = None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Returns size and time of a file, which change as it is written; None without it."""
    try:
        found = path.stat()
    except (FileNotFoundError, StorageError):  # a worker says that the store is away
        return None
    return found.st_size, found.st_mtime_ns


def _trainer(
    job: StageJob, callback: EvalCallback | None, share: Share, attempt: int, names: dict[str, str]
) -> Any:  # noqa: ANN401 - Ray ships no types
    from ray.train import FailureConfig, RunConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    workers = job.config.workers
    if workers.use_gpu:
        find_hangs()
    return TorchTrainer(
        worker_main,
        train_loop_config={"job": config.to_dict(job), "callback": callback, **names},
        torch_config=TorchConfig(
            backend="nccl" if workers.use_gpu else "gloo",
            timeout_s=math.ceil(workers.stall_s),
        ),
        scaling_config=scaling_config(share),
        run_config=RunConfig(
            name=f"{job.name}-{int(time.time())}-{attempt}",
            storage_path=str(ray_folder(job)),
            # Another attempt is ours alone, so that it can be told, counted, and made smaller.
            failure_config=FailureConfig(
                max_failures=0, max_preemption_failures=0, controller_failure_limit=0
            ),
            worker_runtime_env={"env_vars": worker_environment(workers)},
        ),
    )


def find_hangs() -> None:
    """Has Ray Train watch NCCL and end an attempt whose workers hang, with the ranks that do."""
    for name, value in _FIND_HANGS.items():
        os.environ.setdefault(name, value)


def ray_folder(job: StageJob) -> Path:
    """Returns the folder of Ray Train's own files, of which nothing is needed afterwards.

    Args:
        job: The stage.
    """
    if isinstance(job.output, storage.S3Path):
        return scratch_folder(job) / "ray"
    return (job.output / "ray").resolve()


def worker_environment(workers: WorkerSettings) -> dict[str, str]:
    """Returns the environment variables that a worker needs before it imports anything.

    Args:
        workers: The workers' settings.
    """
    if workers.use_gpu:
        return {}
    return {
        "DS_ACCELERATOR": "cpu",
        # More threads than cores make each of them several times slower.
        "OMP_NUM_THREADS": str(max(1, int(workers.cpus))),
        **_KEEP_MEMORY,
    }


def compute_on_cpu(workers: WorkerSettings) -> None:
    """Prepares this process for training on CPU cores; threads that compute inherit it.

    Args:
        workers: The workers' settings.
    """
    import torch

    torch.set_num_threads(max(1, int(workers.cpus)))
    # The gradient of an answer that is all but certain has numbers below 1e-38. Left as they are,
    # each makes a product a hundred times as slow, and a step of a well-trained model twice.
    torch.set_flush_denormal(True)


def worker_main(settings: dict[str, Any]) -> None:
    """Trains on one worker; Ray Train calls it on each.

    Args:
        settings: `job` as JSON values, `callback`, `proof` of the run folder, and name of the
            `board` for signs of life.
    """
    keep_extensions_apart()  # on a cluster a worker doesn't have the settings of the job's process
    job = config.from_dict(StageJob, settings["job"])
    check_proof(job, settings["proof"])
    from palo.train.worker import train_stage
    from palo.train.zero_engine import ZeroEngine, join_workers

    workers = job.config.workers
    if not workers.use_gpu:
        compute_on_cpu(workers)
    if job.config.zero.offload:
        free_build_locks()  # DeepSpeed would wait without end for one that a killed worker held
    activity = Activity()
    heartbeat = own_heartbeat(settings["board"], activity, workers.stall_s)
    with memory_explained(job.config), heartbeat:
        join_workers("nccl" if workers.use_gpu else "gloo", workers.stall_s)
        train_stage(job, ZeroEngine, settings["callback"], ray_notice, activity)


def _await_enough(workers: WorkerSettings) -> int:
    """Waits for all workers; where fewer are allowed, those are enough to begin.

    Returns:
        With how many to begin.
    """
    try:
        await_workers(workers, _say)
    except ResourceError:
        if workers.least is None:
            raise
        for size in sizes(workers):
            with suppress(ResourceError):
                await_workers(replace(workers, count=size, wait_s=0.0), _say)
                return size
        raise
    return workers.count


def _say(line: str) -> None:
    print(visible(line), flush=True)
