"""Whether a step is done, goes on, or is done again, from its record and from what it is made of.

Steps are known by contents, not by times: a step whose inputs are rebuilt to the same contents
stays done.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from palo.reproduce.record import StepRecord

_SHOWN = 3
_LONGEST = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class StepInputs:
    """What a step is made of.

    Attributes:
        hashes: Fingerprints by name; they decide.
        settings: Its settings as texts by dotted name. They say what is behind a fingerprint of
            settings that changed.
    """

    hashes: Mapping[str, str]
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDecision:
    """What happens to a step.

    Attributes:
        runs: Whether it is started.
        anew: Whether it starts from the beginning: what was left by other inputs is set aside.
        why: The reason, for people.
    """

    runs: bool
    anew: bool
    why: str


def decide(
    record: StepRecord, inputs: StepInputs, outputs: Mapping[str, str], *, again: bool = False
) -> StepDecision:
    """Decides what happens to a step.

    Args:
        record: What became of it so far.
        inputs: What it is made of now.
        outputs: What lies there now, as hashes by name; empty where it hasn't finished.
        again: Whether it shall be done again though nothing has changed.
    """
    if record.state in ("waiting", "left out"):
        return StepDecision(runs=True, anew=False, why="not done yet")
    changed = changes(record, inputs)
    if changed:
        return StepDecision(
            runs=True, anew=True, why=f"made anew, for its inputs changed: {changed}"
        )
    if record.state != "done":
        how = {"running": "was killed", "stopped": "was stopped", "failed": "failed"}[record.state]
        return StepDecision(runs=True, anew=False, why=f"goes on where it {how}")
    if again:
        return StepDecision(runs=True, anew=True, why="made anew, as --from or --only says")
    if not outputs:
        return StepDecision(runs=True, anew=False, why="done again, for what it left is gone")
    if dict(outputs) != record.outputs:
        names = _names(record.outputs, outputs)
        return StepDecision(
            runs=True, anew=False, why=f"done again, for what it left changed: {names}"
        )
    return StepDecision(runs=False, anew=False, why="done before, from the same inputs")


def changes(record: StepRecord, inputs: StepInputs) -> str:
    """Says which inputs of a step have changed since it was recorded; empty if none has.

    Args:
        record: What became of the step.
        inputs: What it is made of now.
    """
    names = sorted(
        name
        for name in {*record.inputs, *inputs.hashes}
        if record.inputs.get(name) != inputs.hashes.get(name)
    )
    told = [name for name in names if name != "settings"]
    if "settings" in names:
        told += _settings(record.settings, inputs.settings) or ["settings"]
    return _some(told)


def _settings(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return [f"{name} {_shown(before.get(name))} -> {_shown(now.get(name))}" for name in names]


def _names(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    return _some([name for name in sorted({*before, *now}) if before.get(name) != now.get(name)])


def _some(told: list[str]) -> str:
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more


def _shown(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
