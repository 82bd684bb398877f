"""What a worker does now, for whoever asks why a stage does no steps."""

import threading
import time
from typing import Literal, NamedTuple, get_args

Phase = Literal[
    "start", "load", "dry", "restore", "wishes", "forward", "backward", "sums", "update",
    "records", "evaluation", "checkpoint", "data", "finish",
]  # fmt: skip
"""Parts of a worker's work, in the order in which they come."""

_ORDER = {phase: place for place, phase in enumerate(get_args(Phase))}
_IN_A_STEP: frozenset[Phase] = frozenset(
    ("wishes", "forward", "backward", "sums", "update", "records", "data")
)
_WORDS: dict[Phase, str] = {
    "start": "starting",
    "load": "loading the model",
    "dry": "computing the largest row before the first step",
    "restore": "reading the newest checkpoint",
    "wishes": "looking whether step {step} is to be the last or saved",
    "forward": "in the forward pass of step {step}",
    "backward": "in the backward pass of step {step}",
    "sums": "adding up the losses of step {step}",
    "update": "updating the weights in step {step}",
    "records": "writing the metrics of step {step}",
    "evaluation": "evaluating after step {step}",
    "checkpoint": "saving a checkpoint after step {step}",
    "data": "waiting for data after step {step}",
    "finish": "finishing the stage",
}


class Doing(NamedTuple):
    """What a worker does.

    Attributes:
        phase: The part of its work.
        step: The step that it works on, or has done, from 1.
        since: When it began with that, by time.monotonic.
        thread: The thread that does it.
    """

    phase: Phase
    step: int
    since: float
    thread: int

    @property
    def is_bounded(self) -> bool:
        """Whether it is a part of a step, which never takes as long as workers wait for others."""
        return self.phase in _IN_A_STEP


class Activity:
    """What this worker does now: set by the thread that trains, read by any other."""

    def __init__(self) -> None:
        self.enter("start", 0)

    def enter(self, phase: Phase, step: int) -> None:
        """Notes that something else begins; takes less than a microsecond.

        Args:
            phase: The part of the work.
            step: The step that it belongs to, from 1.
        """
        self._now = Doing(phase, step, time.monotonic(), threading.get_ident())

    @property
    def now(self) -> Doing:
        """What the worker does."""
        return self._now


def place(phase: Phase, step: int) -> tuple[int, int]:
    """Returns how far a worker is: the less, the farther behind.

    Args:
        phase: What it does.
        step: The step that it belongs to.
    """
    return step, _ORDER[phase]


def in_words(phase: Phase, step: int) -> str:
    """Returns what a worker does, to follow "it is".

    Args:
        phase: What it does.
        step: The step that it belongs to.
    """
    return _WORDS[phase].format(step=f"{step:,}")
