"""Figures of the comparison with other trainers, and the proof that all sides did the same."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from training.beside_compare import Measured
from training.beside_runs import Step
from training.beside_settings import OTHERS, OURS, BesideBench, Side

from palo.benchmark import Figure, resampled, spread
from palo.errors import MismatchError

_TOLERANCE = 1e-5
_TARGET = 1.5

Pairs = Sequence[tuple[Step, Step]]


def beside_figures(settings: BesideBench, measured: Measured) -> Iterator[Figure]:
    """Yields samples a second, CPU seconds a sample and start-up of each side, and the ratios.

    Args:
        settings: The bench's.
        measured: What the runs gave.

    Raises:
        MismatchError: If the losses of a step differ.
    """
    size = settings.samples_per_step
    for name, runs in measured.runs.items():
        steps = _counted(settings, measured, name)
        yield resampled(f"{name}_samples_per_s", lambda s: _rate(s, size), steps, "samples/s")
        yield resampled(f"{name}_cpu_s_a_sample", lambda s: _cpu(s, size), steps, "s")
        yield spread(f"{name}_start_up_s", [run.start_up_s for run in runs], "s")
    ratios = []
    for side in OTHERS:
        if side.name not in measured.runs:
            continue
        own = _counted(settings, measured, OURS[side.order].name)
        pairs = list(zip(own, _counted(settings, measured, side.name), strict=True))
        name = f"ours_to_{side.name}_samples_per_s"
        ratios.append(resampled(name, _faster, pairs, "1", target=_TARGET, better="higher"))
        yield ratios[-1]
        yield resampled(f"{side.name}_to_ours_cpu_s_a_sample", _cheaper, pairs, "1")
        yield _loss_difference(measured, side)
    if ratios:
        best = min(ratios, key=lambda ratio: ratio.value)
        yield replace(best, name="ours_to_best_samples_per_s")


def _loss_difference(measured: Measured, side: Side) -> Figure:
    """Compares the losses of all steps, those that don't count among them."""
    both = zip(measured.runs[OURS[side.order].name], measured.runs[side.name], strict=True)
    shares = [
        abs(own.loss - other.loss) / own.loss
        for own_run, other_run in both
        for own, other in zip(own_run.steps, other_run.steps, strict=True)
    ]
    if not max(shares) <= _TOLERANCE:
        raise MismatchError(
            f"the losses of {side.name} differ from ours by up to {max(shares):.2g} of the loss",
            seen=f"step by step {', '.join(f'{share:.1e}' for share in shares)}",
            fix="Both must do the same arithmetic: compare optimizer, schedule and averaging.",
        )
    name = f"{side.name}_loss_difference"
    return spread(name, [max(shares)], "1", target=_TOLERANCE, better="lower")


def _counted(settings: BesideBench, measured: Measured, name: str) -> list[Step]:
    return [step for run in measured.runs[name] for step in run.steps[settings.warmup_steps :]]


def _rate(steps: Sequence[Step], size: int) -> float:
    return size * len(steps) / sum(step.seconds for step in steps)


def _cpu(steps: Sequence[Step], size: int) -> float:
    return sum(step.cpu_s for step in steps) / (size * len(steps))


def _faster(pairs: Pairs) -> float:
    return sum(other.seconds for _, other in pairs) / sum(own.seconds for own, _ in pairs)


def _cheaper(pairs: Pairs) -> float:
    return sum(other.cpu_s for _, other in pairs) / sum(own.cpu_s for own, _ in pairs)
