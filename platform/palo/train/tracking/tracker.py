"""The trackers of a stage."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from palo.errors import ConfigError
from palo.train.tracking.tracker_run import TrackerRun
from palo.train.watch_settings import MetricsSettings, Tracker

if TYPE_CHECKING:
    from palo.train.stage_files import StageFiles
    from palo.train.stages import StageJob

_INSTALL: dict[Tracker, str] = {"mlflow": "pip install mlflow", "wandb": "pip install wandb"}


def require_trackers(settings: MetricsSettings) -> None:
    """Refuses a tracker whose package isn't installed.

    Args:
        settings: The stage's settings.

    Raises:
        ConfigError: If one is missing; it says how to install it.
    """
    for name in settings.trackers:
        if find_spec(name) is None:
            raise ConfigError(
                f"metrics.trackers names {name}, whose package is not installed",
                seen=f"no module {name}",
                fix=f"{_INSTALL[name]}, on every machine that trains, or leave it out.",
            )


def open_trackers(
    job: "StageJob",
    files: "StageFiles",
    facts: Mapping[str, Any],
    start_step: int,
    say: Callable[[str], None],
) -> list[TrackerRun]:
    """Opens TensorBoard's files, Ray's gauges and the services that the settings name.

    Args:
        job: The stage.
        files: Where it writes.
        facts: What the services keep as the run's parameters, as nested JSON values.
        start_step: Steps that are done; TensorBoard drops what came after them.
        say: Takes a line where a service fails.

    Raises:
        ConfigError: If a package is missing.
    """
    from palo.train.tracking.ray_gauges import RayGauges
    from palo.train.tracking.run_ids import run_name
    from palo.train.tracking.service_thread import ServiceThread
    from palo.train.tracking.tensorboard_files import TensorBoardRun

    settings = job.config.metrics
    require_trackers(settings)
    services = [
        ServiceThread(name, _connection(name, job, files, facts), say) for name in settings.trackers
    ]
    return [TensorBoardRun(files.tensorboard, start_step), RayGauges(run_name(job)), *services]


def _connection(
    name: Tracker, job: "StageJob", files: "StageFiles", facts: Mapping[str, Any]
) -> Callable[[], TrackerRun]:
    def connect() -> TrackerRun:
        if name == "mlflow":
            from palo.train.tracking.mlflow_run import MlflowRun

            return MlflowRun(job, files, facts)
        from palo.train.tracking.wandb_run import WandbRun

        return WandbRun(job, files, facts)

    return connect
