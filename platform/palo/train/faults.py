"""Faults of a running stage: steps that are not finite, and memory that is not enough."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from palo.errors import TrainingError
from palo.train.metrics import StepMetrics
from palo.train.stages import StageConfig


class PreemptedError(TrainingError):
    """A node of the workers will be taken away; they saved a checkpoint and ended."""


MOST_SKIPPED = 3
"""So many steps in a row that are not finite end a stage."""
_SHOWN_SAMPLES = 8
_NO_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


class SkippedSteps:
    """Counts steps that changed no weight, since their loss or gradients were not finite.

    Args:
        note: Gets the kind and a line about each.
    """

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self._note = note
        self._in_a_row = 0

    def none(self) -> None:
        """Is told of a step that changed the weights."""
        self._in_a_row = 0

    def one(self, metrics: StepMetrics, sample_ids: Sequence[str]) -> None:
        """Is told of a step that didn't.

        Args:
            metrics: The step's metrics.
            sample_ids: Names of this worker's samples.

        Raises:
            TrainingError: If it is the third one in a row.
        """
        self._in_a_row += 1
        what = "gradient norm" if math.isfinite(metrics.loss) else "loss"
        value = metrics.grad_norm if math.isfinite(metrics.loss) else metrics.loss
        shown = ", ".join(sample_ids[:_SHOWN_SAMPLES])
        fact = f"the {what} is not finite at step {metrics.step}"
        if self._in_a_row < MOST_SKIPPED:
            self._note("skipped", f"{fact} ({value}; samples {shown}): the step was skipped")
            return
        raise TrainingError(
            f"{fact}, the third one in a row",
            seen=f"{value} on samples {shown}",
            fix="Lower the learning rate or look at these samples; none of these steps changed the "
            "weights, and the last checkpoint is sound.",
        )


@contextmanager
def memory_explained(stage: StageConfig) -> Iterator[None]:
    """Turns a GPU that runs out of memory into an error that names the settings.

    Args:
        stage: The stage's settings.

    Raises:
        TrainingError: If the block runs out of a GPU's memory.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one, libraries raise plain ones
        if not any(words in str(error) for words in _NO_MEMORY):
            raise
        first = str(error).split(". ")[0].strip()
        recompute = (
            ""
            if stage.activation_checkpointing
            else " Set activation_checkpointing, which keeps less between the passes."
        )
        split = "" if stage.zero.stage == 3 else " zero.stage 3 shares the weights, too."
        if stage.zero.stage == "auto":
            split = (
                " zero.stage was auto: events.jsonl says what was chosen for it, and with a stage "
                "of 1, 2 or 3 token_budget and recomputation count as they are."
            )
        raise TrainingError(
            f"a GPU's memory is too small for rows of token_budget {stage.token_budget:,}",
            seen=first,
            fix=f"Lower token_budget.{recompute}{split} Then run the same command again: none of "
            "these settings changes what is learned.",
        ) from error
