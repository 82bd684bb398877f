"""Running a stage under Ray Train: checks resources, shows progress, and ends cleanly."""

import textwrap
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from palo import config, storage
from palo.capacity import Share
from palo.checkpoint.finished import StageResult, is_finished, read_stage
from palo.errors import PaloError, TrainingError
from palo.session import keep_extensions_apart
from palo.train.build_locks import free_build_locks
from palo.train.eval_callback import EvalCallback
from palo.train.progress import TrainingProgress
from palo.train.run_page import RunPage
from palo.train.stages import StageJob, WorkerSettings
from palo.train.worker_resources import require_resources, scaling_config

_POLL_S = 0.5
# Memory that a step frees stays with a worker on a CPU: its kernel would clear each page again
# for the next step, a sixth of the time.
_KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
_MOST_SHOWN = 200
# Where Ray's and Ray Train's errors keep what they were raised for.
_WRAPPED = ("__cause__", "cause", "health_check_failure", "controller_failure", "_base_exc")


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
    require_resources(job.config.workers)  # here, where a Ctrl-C ends the waiting
    job.stop_file.unlink(missing_ok=True)
    training = _TrainerThread(job, callback)
    training.thread.start()
    progress = TrainingProgress(job.name, job.files, callback.notes if callback else None)
    page = RunPage(job.name, job.files)
    progress.say(f"starting {job.config.workers.count} workers")
    interrupted = False
    ended = False
    while not ended:
        try:
            # Not thread.join: in Python 3.11 a Ctrl-C there marks a running thread as ended.
            ended = training.ended.wait(_POLL_S)
            page.update(progress.update())
        except KeyboardInterrupt:
            if interrupted or not progress.has_begun:  # no step is lost
                raise
            interrupted = True
            progress.say("stopping after this step; press Ctrl-C again to end at once")
            storage.write_text(job.stop_file, "")
    page.finish(progress.finish())
    job.stop_file.unlink(missing_ok=True)
    if training.error is not None:
        raise palo_error(job, training.error) from training.error
    if interrupted or not is_finished(job.output):
        raise KeyboardInterrupt
    return read_stage(job.output)


@dataclass(slots=True)
class _TrainerThread:
    """Ray Train's blocking call in a thread: in the main one it would take over Ctrl-C."""

    job: StageJob
    callback: EvalCallback | None
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name="palo-train", daemon=True)

    def _run(self) -> None:
        try:
            self._attempts()
        finally:
            self.ended.set()

    def _attempts(self) -> None:
        for attempt in range(self.job.config.workers.max_failures + 1):
            try:
                # Also before a retry: the node that was lost may have to be replaced.
                share = require_resources(self.job.config.workers)
                _trainer(self.job, self.callback, share, attempt).fit()
            except Exception as error:  # handed to the main thread, which raises it
                self.error = error
                if not lost_worker(error):
                    return
            else:
                self.error = None
                return


def lost_worker(error: BaseException) -> bool:
    """Returns whether an error comes from a lost process or node, so that a retry may help.

    Ray's own retry makes no difference between a lost worker and an error that every attempt
    repeats, such as a wrong corpus, and would repeat that too.

    Args:
        error: An error of Ray Train.
    """
    from ray.exceptions import RayError, RayTaskError
    from ray.train.v2.api.exceptions import PreemptionError
    from torch.distributed import DistError

    causes = _causes(error)
    gone = any(isinstance(e, RayError) and not isinstance(e, RayTaskError) for e in causes)
    gone = gone or any(isinstance(e, PreemptionError) for e in causes)
    # A collective operation fails with a plain RuntimeError on the workers that are left.
    left_alone = any(type(e) is RuntimeError or isinstance(e, DistError) for e in causes)
    return (gone or left_alone) and not any(isinstance(e, PaloError) for e in causes)


def _trainer(job: StageJob, callback: EvalCallback | None, share: Share, attempt: int) -> Any:  # noqa: ANN401 - Ray ships no types
    from ray.train import FailureConfig, RunConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    workers = job.config.workers
    return TorchTrainer(
        worker_main,
        train_loop_config={"job": config.to_dict(job), "callback": callback},
        torch_config=TorchConfig(backend="nccl" if workers.use_gpu else "gloo"),
        scaling_config=scaling_config(share),
        run_config=RunConfig(
            name=f"{job.name}-{int(time.time())}-{attempt}",
            storage_path=str((job.output / "ray").resolve()),
            failure_config=FailureConfig(max_failures=0),
            worker_runtime_env={"env_vars": worker_environment(workers)},
        ),
    )


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
        settings: `job` as JSON values, and `callback`.
    """
    keep_extensions_apart()  # on a cluster a worker doesn't have the settings of the job's process
    from palo.train.worker import train_stage
    from palo.train.zero_engine import ZeroEngine, join_workers

    job = config.from_dict(StageJob, settings["job"])
    workers = job.config.workers
    if not workers.use_gpu:
        compute_on_cpu(workers)
    if job.config.zero.offload:
        free_build_locks()  # DeepSpeed would wait without end for one that a killed worker held
    join_workers("nccl" if workers.use_gpu else "gloo")
    train_stage(job, ZeroEngine, settings["callback"])


def palo_error(job: StageJob, error: Exception) -> PaloError:
    """Returns our own error inside Ray Train's, or one that says what happened.

    Args:
        job: The stage that ended.
        error: An error of Ray Train.
    """
    from ray.exceptions import OutOfMemoryError

    causes = _causes(error)
    for failure in causes:
        if isinstance(failure, PaloError):
            return failure
    again = f"Run the same command again to resume from the last checkpoint in {job.output}."
    if any(isinstance(failure, OutOfMemoryError) for failure in causes):
        return TrainingError(
            f"stage {job.name} ended before its last step, since a machine ran out of memory",
            seen=f"{job.config.workers.count} workers",
            fix=f"End other programs there, or lower workers.count or token_budget. {again}",
        )
    last = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return TrainingError(
        f"stage {job.name} ended before its last step",
        seen=textwrap.shorten(last, _MOST_SHOWN, placeholder=" ..."),
        fix=again,
    )


def _causes(error: BaseException) -> list[BaseException]:
    """Lists an error, those that it wraps, and those of its workers."""
    found: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop()
        if current is None or current in found:
            continue
        found.append(current)
        queue += [getattr(current, name, None) for name in _WRAPPED]
        queue += list((getattr(current, "worker_failures", None) or {}).values())
    return found
