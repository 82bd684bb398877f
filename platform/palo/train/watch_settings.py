"""Settings of how a stage is watched: held-out rows, and where metrics go."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Tracker = Literal["mlflow", "wandb"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationSettings:
    """Rows of the corpus that are never trained on, and whose loss is computed now and then.

    All rows of an image are held out together, in every language, since translations of one
    conversation say the same.

    Attributes:
        rows_per_language: Least rows to hold out of each language; 0 turns validation off.
        most_share: No language gives a larger share of its rows than this.
        every: Steps between two evaluations; the last step always makes one.
    """

    rows_per_language: int = 0
    most_share: float = 0.05
    every: int = 500

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.rows_per_language < 0:
            yield f"rows_per_language is {self.rows_per_language} but can't be negative"
        if not 0 < self.most_share < 1:
            yield f"most_share is {self.most_share} but must be above 0 and below 1"
        if self.every < 1:
            yield f"every is {self.every} but must be at least 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsSettings:
    """Where metrics go beside the stage's own files, and what they are measured by.

    Attributes:
        trackers: Services that get them too: "mlflow", "wandb". TensorBoard's files are always
            written.
        project: Name of the experiment (MLflow) or project (Weights & Biases).
        run_name: Name of the run there; folder and stage by default.
        mlflow_uri: MLflow's server or folder; by default what MLFLOW_TRACKING_URI names.
        peak_tflops: Peak rate of a worker's device in TFLOP/s, to measure the utilisation by;
            None takes the maker's for a known GPU, and for others leaves the utilisation out.
    """

    trackers: tuple[Tracker, ...] = ()
    project: str = "palo"
    run_name: str | None = None
    mlflow_uri: str | None = None
    peak_tflops: float | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.peak_tflops is not None and self.peak_tflops <= 0:
            yield f"peak_tflops is {self.peak_tflops} but must be above 0"
        if not self.project:
            yield "project is empty"
