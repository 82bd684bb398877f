"""The files that a stage writes while it is trained, for people and programs that watch it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StageFiles:
    """Where a stage's files lie.

    Attributes:
        folder: The stage's folder, or a copy of it.
    """

    folder: Path

    @property
    def metrics(self) -> Path:
        """Metrics of each step, as JSON lines."""
        return self.folder / "metrics.jsonl"

    @property
    def validations(self) -> Path:
        """Losses on held-out rows, as JSON lines."""
        return self.folder / "validation.jsonl"

    @property
    def events(self) -> Path:
        """What happened beside the steps, as JSON lines; made when something did."""
        return self.folder / "events.jsonl"

    @property
    def ranks(self) -> Path:
        """What each worker did in the latest steps."""
        return self.folder / "ranks.json"

    @property
    def facts(self) -> Path:
        """The settings, and what the figures are measured by."""
        return self.folder / "facts.json"

    @property
    def trackers(self) -> Path:
        """Names of the stage's runs in services."""
        return self.folder / "trackers.json"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's files."""
        return self.folder / "tensorboard"

    @property
    def stacks(self) -> Path:
        """Where the threads of workers were when they did no steps; made when they didn't."""
        return self.folder / "stacks.txt"

    @property
    def page(self) -> Path:
        """The page about the run."""
        return self.folder / "run.html"
