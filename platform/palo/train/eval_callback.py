"""Looks at a model while it is trained: every so many steps, as if the stage were finished."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import config
from palo.checkpoint.finished import write_stage
from palo.train.job import StageJob

if TYPE_CHECKING:
    from palo.checkpoint.trainable import ParameterState


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalCallback:
    """What looks at the model; it knows the model's own layer, which training doesn't.

    Attributes:
        every: Steps between looks. After the last step nobody looks: the stage is finished then.
        look: Takes the folder of a stage and how many steps it was trained, on one worker, while
            the others wait. It must be importable there.
        notes: JSON lines that `look` writes; the `note` of each is shown as it comes.
    """

    every: int
    look: Callable[[Path, int], None]
    notes: Path

    def is_due(self, done: int, num_steps: int) -> bool:
        """Tells whether it is time after so many steps."""
        return done % self.every == 0 and done < num_steps


def show(
    watch: EvalCallback,
    job: StageJob,
    states: "Mapping[str, ParameterState]",
    preprocessing: Mapping[str, Any] | None,
    done: int,
) -> None:
    """Shows what was trained so far to a watch.

    Args:
        watch: Looks at it.
        job: The stage.
        states: Every trainable parameter by name.
        preprocessing: What happens to an image, as JSON values.
        done: Steps that were done.
    """
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        write_stage(
            stage,
            {name: state.weight for name, state in states.items()},
            parts=job.parts,
            lora=job.config.lora,
            template=job.config.template,
            preprocessing=preprocessing,
            lineage={"settings": config.to_dict(job), "steps": done},
        )
        watch.look(stage, done)


def notes_in(path: Path) -> list[str]:
    """Returns the notes that are whole by now."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [str(json.loads(line)["note"]) for line in lines if line.endswith("\n")]
