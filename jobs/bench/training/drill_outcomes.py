"""What became of the drill's runs, judged against one that nothing happened to, and the figures."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from training.drill_cases import RESIZED, Case, TrainDrill
from training.drill_faults import Hurt

from palo.benchmark import Figure, spread
from palo.checkpoint import trainable
from palo.checkpoint.finished import is_finished
from palo.errors import StorageError
from palo.train.metrics import StepMetrics, read_metrics
from palo.train.stages import StageJob

_WITHIN = 1e-5
_PROGRESS = re.compile(r"  step \d{1,9}/|been starting for")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A run that nothing happened to.

    Attributes:
        losses: Loss of each step.
        weights: Hash of the last checkpoint's tensors.
    """

    losses: tuple[float, ...]
    weights: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a run that was hurt.

    Attributes:
        fault: What was done to it.
        store: Where its folder lay.
        step: After which step.
        is_equal: Whether losses and final weights are equal as they must be.
        difference: Largest difference of a step's loss to the undisturbed run.
        num_lost: Steps of the undisturbed run that are not there, or there twice.
        num_repeated: Steps that were done again.
        longest_wait_s: Longest time from a fault to the next step or to the command's end.
        wall_s: Seconds until it was finished.
        messages: What people were told, but for the lines of progress.
        problem: Why it didn't finish, or what the command didn't say; empty if all went well.
    """

    fault: str
    store: str
    step: int
    is_equal: bool
    difference: float
    num_lost: int
    num_repeated: int
    longest_wait_s: float
    wall_s: float
    messages: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        verdict = "equal" if self.is_equal else "NOT EQUAL"
        text = (
            f"{self.fault} on {self.store} after step {self.step}: {verdict}, "
            f"{self.num_repeated} steps repeated, waited {self.longest_wait_s:.0f} s, "
            f"{self.wall_s:.0f} s in all"
        )
        return f"{text}; {self.problem}" if self.problem else text


def reference_of(job: StageJob) -> Reference:
    """Returns what a finished stage is.

    Args:
        job: The stage.
    """
    losses = tuple(metrics.loss for metrics in read_metrics(job.metrics))
    return Reference(losses=losses, weights=_weights(job))


def judged(case: Case, hurt: Hurt, right: Reference, wall_s: float, problem: str) -> Outcome:
    """Compares a run that was hurt with the undisturbed one.

    Args:
        case: The run.
        hurt: The same, after it.
        right: The undisturbed run.
        wall_s: How long it took, in seconds.
        problem: Why it didn't finish; empty if it did.
    """
    found = _metrics(hurt.job)
    num_steps = len(right.losses)
    in_order = [metrics.step for metrics in found] == list(range(num_steps))
    pairs = zip((metrics.loss for metrics in found), right.losses, strict=in_order)
    difference = max((abs(own - other) for own, other in pairs), default=0.0)
    is_equal = in_order and not problem and is_finished(hurt.job.output)
    if case.fault in RESIZED:
        is_equal = is_equal and difference <= _WITHIN
    else:
        is_equal = is_equal and difference == 0.0 and _weights(hurt.job) == right.weights
    return Outcome(
        fault=case.fault,
        store=case.store,
        step=hurt.step,
        is_equal=is_equal,
        difference=difference,
        num_lost=0 if in_order else abs(len(found) - num_steps) or num_steps,
        num_repeated=hurt.repeated,
        longest_wait_s=max(hurt.waits, default=0.0),
        wall_s=wall_s,
        messages=tuple(_told(hurt.start.said)),
        problem=problem,
    )


def figures_of(outcomes: Sequence[Outcome], settings: TrainDrill) -> list[Figure]:
    """Returns the drill's figures.

    Args:
        outcomes: What became of the runs.
        settings: The drill's settings.
    """
    same = [one.difference for one in outcomes if one.fault not in RESIZED]
    other = [one.difference for one in outcomes if one.fault in RESIZED]
    lost, equal = sum(one.num_lost for one in outcomes), [one.is_equal for one in outcomes]
    longest = max(one.longest_wait_s for one in outcomes)
    figures = [
        spread("runs_hurt", [len(outcomes)], "runs"),
        spread("runs_equal", [sum(equal)], "runs", target=len(outcomes), better="higher"),
        spread("steps_lost", [lost], "steps", target=0, better="lower"),
        spread("longest_wait_s", [longest], "s", target=settings.timeout_s, better="lower"),
        spread("timeout_s", [settings.timeout_s], "s"),
    ]
    if same:
        figures.append(
            spread("difference_same_workers", [max(same)], "nats", target=0.0, better="lower")
        )
    if other:
        figures.append(
            spread("difference_other_workers", [max(other)], "nats", target=_WITHIN, better="lower")
        )
    for fault in dict.fromkeys(one.fault for one in outcomes):
        runs = [one for one in outcomes if one.fault == fault]
        name = fault.replace("-", "_")
        shares = [float(one.is_equal) for one in runs]
        figures.append(spread(f"{name}_equal", shares, "1", target=1.0, better="higher"))
        figures.append(spread(f"{name}_repeated", [one.num_repeated for one in runs], "steps"))
        figures.append(spread(f"{name}_wait_s", [one.longest_wait_s for one in runs], "s"))
    return figures


def _told(lines: Iterable[str]) -> list[str]:
    """Returns each message once, without the lines of progress."""
    return list(dict.fromkeys(line for line in lines if line and not _PROGRESS.search(line)))


def _metrics(job: StageJob) -> list[StepMetrics]:
    try:
        return read_metrics(job.metrics)
    except (StorageError, FileNotFoundError):
        return []


def _weights(job: StageJob) -> str:
    return trainable.read_cursor(trainable.every(job.checkpoints)[-1]).files[trainable.WEIGHTS]
