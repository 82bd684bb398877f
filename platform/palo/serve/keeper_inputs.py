"""What the keeper of models looks at: the finished runs of a store, and the state of Ray Serve."""

from pathlib import Path

from ray.serve.schema import ApplicationStatus, ServeStatus

from palo import storage
from palo.capacity import Cluster, Share, missing
from palo.checkpoint.finished import finished_runs
from palo.serve.rollout import AppState, Candidate
from palo.serve.running import own_error
from palo.serve.settings import NEWEST, FollowSettings, ScaleSettings

_SHOWN = 300
# What Ray Serve says of a deployment that no node has room for.
_NO_ROOM = "to be scheduled"
_GOING = (ApplicationStatus.DELETING,)
_FAILED = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY)


def read_candidates(runs: Path, follow: FollowSettings) -> dict[str, list[Candidate]]:
    """Returns the finished runs that may be served, by name of the model, the newest first.

    Args:
        runs: Folder of the runs.
        follow: Which runs to follow.

    Raises:
        StorageError: If it can't be read.
    """
    with storage.wrap_os_errors("read", runs):
        finished = finished_runs(runs)
    return {
        (model := follow.model_of(run)): [
            Candidate(model=model, run=path.name, folder=path / "finetune", finished=at)
            for path, at in finished.items()
            if run in (NEWEST, path.name)
        ]
        for run in follow.runs
    }


def app_states(status: ServeStatus) -> dict[str, AppState]:
    """Returns the states of all applications that aren't being deleted.

    Args:
        status: As `serve.status` returns it.
    """
    return {
        name: AppState(
            is_running=application.status == ApplicationStatus.RUNNING,
            fault=(own_error(application) or shortened(application.message))
            if application.status in _FAILED
            else "",
        )
        for name, application in status.applications.items()
        if application.status not in _GOING
    }


def shortened(text: str) -> str:
    """Returns the end of an error of Ray's, in one line.

    Args:
        text: The error, or a trace.
    """
    return " ".join(text.split())[-_SHOWN:] or "its replicas don't start"


def waits_for(status: ServeStatus, app: str, scale: ScaleSettings, cluster: Cluster) -> str:
    """Returns what an application that is being started waits for, in words.

    Args:
        status: As `serve.status` returns it.
        app: Name of the application.
        scale: Number and resources of its replicas.
        cluster: The cluster.
    """
    application = status.applications.get(app)
    messages = [one.message for one in application.deployments.values()] if application else []
    if not any(_NO_ROOM in message for message in messages):
        return "its replicas load the model"
    share = Share(
        workers="replica" if scale.min_replicas == 1 else "replicas",
        count=scale.min_replicas,
        cpus=scale.num_cpus,
        gpus=scale.num_gpus,
        node_labels=scale.node_labels,
    )
    return f"waiting for {missing(share, cluster)}"
