"""What ended an attempt of a stage: errors of Ray Train, told apart and in our own words."""

import re
import textwrap

from palo.errors import PaloError, TrainingError
from palo.train.faults import PreemptedError
from palo.train.stages import StageJob

_MOST_SHOWN = 200
# Where in its own source a library raised an error, as gloo tells.
_SOURCE = re.compile(r"\[/[^\]\s]{1,200}:\d{1,6}\] ")
# Where Ray's and Ray Train's errors keep what they were raised for.
_WRAPPED = ("__cause__", "cause", "health_check_failure", "controller_failure", "_base_exc")


def preempted(error: BaseException) -> bool:
    """Returns whether an error comes from a node that the cluster takes away.

    Args:
        error: An error of Ray Train.
    """
    from ray.train.v2.api.exceptions import PreemptionError

    return any(isinstance(one, PreemptedError | PreemptionError) for one in _causes(error))


def lost_worker(error: BaseException) -> bool:
    """Returns whether an error comes from a lost process or node, so that a retry may help.

    Ray's own retry makes no difference between a lost worker and an error that every attempt
    repeats, such as a wrong corpus, and would repeat that too.

    Args:
        error: An error of Ray Train.
    """
    from ray.exceptions import RayError, RayTaskError
    from ray.train.v2._internal.exceptions import (
        WorkerGroupStartupFailedError,
        WorkerGroupStartupTimeoutError,
        WorkerHealthCheckTimeoutError,
    )
    from ray.train.v2.api.exceptions import NCCLHangError
    from torch.distributed import DistError

    causes = _causes(error)
    gone = any(isinstance(e, RayError) and not isinstance(e, RayTaskError) for e in causes)
    # A node was lost that the cluster still counted when its replacement was to start, or while its
    # worker started, of which Ray Train keeps the error's text alone; workers wait for one that
    # hangs; or one whose process is stopped has not answered Ray for ten minutes.
    starts = WorkerGroupStartupTimeoutError | WorkerGroupStartupFailedError
    hangs = NCCLHangError | WorkerHealthCheckTimeoutError
    gone = gone or any(isinstance(e, starts | hangs) for e in causes)
    # A collective operation fails with a plain RuntimeError on the workers that are left.
    left_alone = any(type(e) is RuntimeError or isinstance(e, DistError) for e in causes)
    return (gone or left_alone) and not any(isinstance(e, PaloError) for e in causes)


def palo_error(job: StageJob, error: Exception, stall: str | None = None) -> PaloError:
    """Returns our own error inside Ray Train's, or one that says what happened.

    Args:
        job: The stage that ended.
        error: An error of Ray Train.
        stall: Who held the stage up before, if anyone did.
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
    return TrainingError(
        f"stage {job.name} ended before its last step", seen=reason(error, stall), fix=again
    )


def reason(error: BaseException, stall: str | None = None) -> str:
    """Returns the last line of an error's text, which says most, in a line's length.

    Args:
        error: Any error.
        stall: Who held the stage up before, if anyone did: the error of a worker that has waited
            names nobody.
    """
    last = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    last = _SOURCE.sub("", last)
    shown = textwrap.shorten(last, _MOST_SHOWN, placeholder=" ...")
    return f"{stall}; {shown}" if stall else shown


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
