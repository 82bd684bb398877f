"""A stage as a run in MLflow: on a server, or in a folder or file."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palo.train.tracking.flat_settings import flat_settings
from palo.train.tracking.run_ids import keep_run, known_run, run_name

if TYPE_CHECKING:
    from palo.train.stage_files import StageFiles
    from palo.train.stages import StageJob

_LONGEST = 500
_MOST_AT_ONCE = 100


class MlflowRun:
    """A TrackerRun in MLflow.

    Args:
        job: The stage.
        files: Where it writes.
        facts: The run's parameters, as nested JSON values.
    """

    def __init__(self, job: "StageJob", files: "StageFiles", facts: Mapping[str, Any]) -> None:
        from mlflow import MlflowClient

        settings = job.config.metrics
        self._client = MlflowClient(tracking_uri=settings.mlflow_uri)
        known = known_run(files, "mlflow")
        if known is not None:
            self._run = known
            self._client.update_run(known, status="RUNNING")
            return
        experiment = self._client.get_experiment_by_name(settings.project)
        number = (
            experiment.experiment_id
            if experiment is not None
            else self._client.create_experiment(settings.project)
        )
        self._run = self._client.create_run(number, run_name=run_name(job)).info.run_id
        keep_run(files, "mlflow", self._run)
        self._keep_parameters(facts)

    def _keep_parameters(self, facts: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        parameters = [Param(name, value[:_LONGEST]) for name, value in flat_settings(facts).items()]
        for start in range(0, len(parameters), _MOST_AT_ONCE):
            self._client.log_batch(self._run, params=parameters[start : start + _MOST_AT_ONCE])

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See TrackerRun.log.

        Args:
            values: By name.
            step: Steps that are done.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self._run, metrics=[Metric(name, value, now, step) for name, value in values.items()]
        )

    def close(self) -> None:
        """See TrackerRun.close."""
        self._client.set_terminated(self._run)
