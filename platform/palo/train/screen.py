"""A running stage in words: a few lines for a terminal, and one short line for a log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from palo import languages
from palo.machine import GIB
from palo.progress import duration
from palo.train.metrics import eta_s

if TYPE_CHECKING:
    from palo.train.metrics import StepMetrics
    from palo.train.stage_state import StageState
    from palo.train.validation import LanguageLoss, Validation

_LEAST_BAR, _MOST_BAR = 10, 40
_GAP = "   "
_UNITS = ((1e12, "TFLOP/s"), (1e9, "GFLOP/s"), (1e6, "MFLOP/s"))


def progress_line(name: str, state: "StageState") -> str:
    """Returns a line about the latest step, with speeds over the latest 20.

    Args:
        name: The stage's name.
        state: The stage, with at least one step.
    """
    last = state.metrics[-1]
    parts = [
        f"{name}  step {last.step + 1}/{last.num_steps}",
        f"loss {state.loss:.4f}",
        f"{state.tokens_per_s:,.0f} tokens/s",
    ]
    if state.mfu is not None:
        parts.append(f"MFU {state.mfu:.1%}")
    parts.append(f"data wait {state.data_wait_share:.1%}")
    if slow := slow_worker(last):
        parts.append(slow)
    parts.append(f"{duration(eta_s(state.metrics))} left")
    return "  ".join(parts)


def validation_line(validation: "Validation") -> str:
    """Returns a line about the loss on held-out rows.

    Args:
        validation: The evaluation.
    """
    by_language = "  ".join(f"{code} {one.loss:.3f}" for code, one in _in_order(validation))
    return f"held out, after step {validation.step:,}: {validation.loss:.4f}  {by_language}"


def screen_lines(name: str, state: "StageState", width: int) -> list[str]:
    """Returns a few lines that tell how a stage goes, none longer than the terminal is wide.

    Args:
        name: The stage's name.
        state: The stage, with at least one step.
        width: Columns of the terminal.
    """
    last = state.metrics[-1]
    lines = [
        _bar_line(name, last, f"{duration(eta_s(state.metrics))} left", width),
        _joined(_learning(state), width),
        _joined(_speed(state), width),
        _joined(_machines(last), width),
    ]
    if state.best is not None:
        lines += _validation_lines(state.validations, state.best, width)
    if slow := slow_worker(last):
        lines.append(f"  ! {slow}")
    return [line[:width] for line in lines if line.strip()]


def operations(per_second: float) -> tuple[str, str]:
    """Returns a number of operations a second as it is read, and its unit.

    Args:
        per_second: The operations.
    """
    size, unit = next((pair for pair in _UNITS if per_second >= pair[0]), _UNITS[-1])
    return f"{per_second / size:,.1f}", unit


def slow_worker(metrics: "StepMetrics") -> str:
    """Returns which worker holds the others up, and at what; nothing if none does.

    Args:
        metrics: The latest step.
    """
    if metrics.slow_rank is None:
        return ""
    at = "waiting for data" if metrics.slow_cause == "data" else "computing"
    return f"worker {metrics.slow_rank} is slow at {at}"


def _bar_line(name: str, last: "StepMetrics", left: str, width: int) -> str:
    done = last.step + 1
    head = f"{name}  step {done:,}/{last.num_steps:,}  {done / last.num_steps:.0%}  "
    room = min(_MOST_BAR, width - len(head) - len(left) - len("[]") - len(_GAP))
    if room < _LEAST_BAR:
        return head + left
    filled = round(room * done / last.num_steps)
    return f"{head}[{'#' * filled}{'-' * (room - filled)}]{_GAP}{left}"


def _learning(state: "StageState") -> list[str]:
    last = state.metrics[-1]
    parts = [f"loss {state.loss:.4f}", f"gradient norm {last.grad_norm:.3g}"]
    parts += [f"{part.replace('_', ' ')} {rate:.2e}" for part, rate in last.learning_rates.items()]
    return parts


def _speed(state: "StageState") -> list[str]:
    parts = [
        f"{state.tokens_per_s:,.0f} tokens/s",
        f"{state.samples_per_s:,.1f} samples/s",
        f"{state.step_s:,.2f} s a step",
    ]
    if state.mfu is not None:
        parts.append(f"MFU {state.mfu:.1%}")
    elif state.model_flops_per_s is not None:
        parts.append("{} {} of the model".format(*operations(state.model_flops_per_s)))
    return [*parts, f"data wait {state.data_wait_share:.1%}"]


def _machines(last: "StepMetrics") -> list[str]:
    if last.num_workers is None or last.memory_bytes is None or last.peak_memory_bytes is None:
        return []
    workers = "worker" if last.num_workers == 1 else "workers"
    return [
        f"{last.num_workers} {workers}",
        f"memory of the largest {last.memory_bytes / GIB:.2f} GiB",
        f"at most {last.peak_memory_bytes / GIB:.2f} GiB so far",
    ]


def _validation_lines(
    validations: "Sequence[Validation]", best: "Validation", width: int
) -> list[str]:
    """Writes the latest loss of each language, and its change since the evaluation before."""
    latest = validations[-1]
    before = validations[-2] if len(validations) > 1 else None
    parts = [f"held out, after step {latest.step:,}: {latest.loss:.4f}"]
    for code, one in _in_order(latest):
        change = ""
        if before is not None and code in before.languages:
            change = f" {one.loss - before.languages[code].loss:+.3f}"
        parts.append(f"{code} {one.loss:.3f}{change}")
    if best.step != latest.step:
        parts.append(f"best after step {best.step:,}")
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}{_GAP}{part}" if lines[-1] else f"  {part}"
        if len(joined) > width and lines[-1]:
            lines.append(f"  {part}")
        else:
            lines[-1] = joined
    return lines


def _in_order(validation: "Validation") -> "list[tuple[str, LanguageLoss]]":
    """Returns the languages in the order that every table has."""
    known = [code for code in languages.codes() if code in validation.languages]
    others = sorted(set(validation.languages) - set(known))
    return [(code, validation.languages[code]) for code in (*known, *others)]


def _joined(parts: Sequence[str], width: int) -> str:
    """Joins what fits into a line, the first parts first."""
    line = ""
    for part in parts:
        longer = f"{line}{_GAP}{part}" if line else f"  {part}"
        if len(longer) > width:
            break
        line = longer
    return line
