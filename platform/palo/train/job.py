"""One stage of one run, complete: what is handed to every worker."""

from dataclasses import dataclass
from pathlib import Path

from palo.checkpoint.parts import ModelParts
from palo.train.stages import StageConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class StageJob:
    """What a worker needs to train a stage.

    Attributes:
        name: The stage's name, for people: "pretrain" or "finetune".
        config: The stage's settings.
        parts: The pretrained parts of the model.
        corpus: Folder of the corpus.
        output: Folder of the stage, which every worker must see.
        projector: Finished stage whose projector is the start; a fresh one if None.
    """

    name: str
    config: StageConfig
    parts: ModelParts
    corpus: Path
    output: Path
    projector: Path | None = None

    @property
    def checkpoints(self) -> Path:
        """Folder of the portable checkpoints."""
        return self.output / "checkpoints"

    @property
    def metrics(self) -> Path:
        """File of the metrics of each step."""
        return self.output / "metrics.jsonl"

    @property
    def stop_file(self) -> Path:
        """File whose presence asks the workers to save a checkpoint and end."""
        return self.output / "stop"
