"""A stage as a run in Weights & Biases; WANDB_MODE=offline keeps it in the stage's folder."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palo.train.tracking.run_ids import keep_run, known_run, run_name

if TYPE_CHECKING:
    from palo.train.stage_files import StageFiles
    from palo.train.stages import StageJob


class WandbRun:
    """A TrackerRun in Weights & Biases.

    Args:
        job: The stage.
        files: Where it writes.
        facts: The run's configuration, as nested JSON values.
    """

    def __init__(self, job: "StageJob", files: "StageFiles", facts: Mapping[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=job.config.metrics.project,
            name=run_name(job),
            id=known_run(files, "wandb"),
            resume="allow",
            dir=str(files.folder),
            config=dict(facts),
        )
        # Steps of a resumed stage may be done again; wandb's own counter never goes back.
        self._run.define_metric("*", step_metric="step")
        keep_run(files, "wandb", self._run.id)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See TrackerRun.log.

        Args:
            values: By name.
            step: Steps that are done.
        """
        self._run.log({**values, "step": step})

    def close(self) -> None:
        """See TrackerRun.close."""
        self._run.finish()
