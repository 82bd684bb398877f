"""Evaluation of a model during training: every so many steps, as if the stage were finished."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import config, storage
from palo.checkpoint.finished import write_stage
from palo.train.stages import StageJob

if TYPE_CHECKING:
    from palo.checkpoint.trainable import ParameterState


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalCallback:
    """An evaluation that runs during training.

    Attributes:
        every: Steps between evaluations. After the last step there is none: the stage is finished
            then.
        run: Takes the folder of a stage and how many steps it was trained, on one worker, while
            the others wait. It must be importable there.
        notes: JSON lines that `run` writes; the `note` of each is shown as it comes.
    """

    every: int
    run: Callable[[Path, int], None]
    notes: Path

    def is_due(self, done: int, num_steps: int) -> bool:
        """Returns whether the model is evaluated after a step.

        Args:
            done: Steps that are done.
            num_steps: Steps of the whole stage.
        """
        return done % self.every == 0 and done < num_steps


def run_eval_callback(
    callback: EvalCallback,
    job: StageJob,
    states: "Mapping[str, ParameterState]",
    preprocessing: Mapping[str, Any] | None,
    done: int,
) -> None:
    """Runs an evaluation on the weights so far, written as a finished stage.

    Args:
        callback: The evaluation.
        job: The stage.
        states: Every trainable parameter by name.
        preprocessing: What happens to an image, as JSON values.
        done: Steps that were done.
    """
    from palo.train.stage_model import result_weights

    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        write_stage(
            stage,
            result_weights(job, states),
            parts=job.parts,
            lora=job.config.lora,
            template=job.config.template,
            preprocessing=preprocessing,
            lineage={"settings": config.to_dict(job), "steps": done},
        )
        callback.run(stage, done)


def read_notes(path: Path) -> list[str]:
    """Returns the notes of all whole lines.

    Args:
        path: A file of JSON lines, which may not exist yet.
    """
    return [str(values["note"]) for values in storage.whole_lines(path)]
