"""Two runs side by side: settings that differ, losses, speeds, held-out losses, final scores."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palo import languages, storage
from palo.errors import DataError
from palo.machine import GIB
from palo.train.metrics import StepMetrics
from palo.train.run_charts import resource_loss
from palo.train.stage_files import StageFiles
from palo.train.stage_state import RECENT, StageState, read_state
from palo.train.tracking.flat_settings import flat_settings
from palo.train.validation import Validation

_STAGES = ("align", "pretrain", "finetune")
# Where and how a run is stored and watched says nothing about what it learns.
_LEFT_OUT = ("metrics.",)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFiles:
    """What a run has left.

    Attributes:
        name: Its name, for people.
        stages: Its stages that have begun, by name.
        report: Its report of final scores; empty without one.
    """

    name: str
    stages: Mapping[str, StageState]
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A value of both runs.

    Attributes:
        name: What it is.
        first: That of the first run; None where it has none.
        second: That of the second run.
    """

    name: str
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """The second less the first, where both are known."""
        if self.first is None or self.second is None:
            return None
        return self.second - self.first


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingPair:
    """A setting that differs.

    Attributes:
        name: Its name, with dots.
        first: That of the first run; empty where it has none.
        second: That of the second run.
    """

    name: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StageComparison:
    """One stage of both runs.

    Attributes:
        name: Its name.
        settings: Settings that differ.
        num_common: Steps that both have done.
        largest_difference: Largest difference of two losses of the same step; None without any.
        figures: Losses, speeds and memory.
        validation_step: Step of the latest evaluation that both have made; None without one.
        losses: Losses by language on held-out rows at this step, then their means.
    """

    name: str
    settings: tuple[SettingPair, ...]
    num_common: int
    largest_difference: float | None
    figures: tuple[Pair, ...]
    validation_step: int | None
    losses: tuple[Pair, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunComparison:
    """Two runs side by side.

    Attributes:
        first: Name of the first run.
        second: Name of the second run.
        stages: The stages that both have.
        scores: Final scores, from 0 to 1.
    """

    first: str
    second: str
    stages: tuple[StageComparison, ...]
    scores: tuple[Pair, ...]


def read_run(folder: Path) -> RunFiles:
    """Reads a run, or a single stage.

    Args:
        folder: Folder of a run or of a stage, finished or not.

    Raises:
        DataError: If no stage has begun there.
    """
    if StageFiles(folder).metrics.exists():
        found, run = {folder.name: folder}, folder.parent
    else:
        found, run = {name: folder / name for name in _STAGES}, folder
    stages = {name: _with_settings(path) for name, path in found.items()}
    stages = {name: state for name, state in stages.items() if state.metrics}
    if not stages:
        raise DataError(
            f"{folder} holds no run",
            seen="no metrics.jsonl in it, in pretrain or in finetune",
            fix="Name the folder of a run, or of one of its stages.",
        )
    report = run / "report.json"
    return RunFiles(
        name=str(folder),
        stages=stages,
        report=storage.read_json(report) if report.exists() else {},
    )


def _with_settings(folder: Path) -> StageState:
    """Reads a stage; the settings of one that an earlier version trained are in its lineage."""
    state = read_state(StageFiles(folder))
    lineage = folder / "lineage.json"
    if state.facts or not lineage.exists():
        return state
    facts = {"settings": storage.read_json(lineage).get("settings", {})}
    return StageState(metrics=state.metrics, validations=state.validations, facts=facts)


def compare_runs(first: RunFiles, second: RunFiles) -> RunComparison:
    """Compares two runs.

    Args:
        first: The first run.
        second: The second run.

    Raises:
        DataError: If they have no stage in common.
    """
    names = [name for name in first.stages if name in second.stages]
    pairs = [(name, first.stages[name], second.stages[name]) for name in names]
    if not pairs and len(first.stages) == len(second.stages) == 1:
        # Two stages that were named by themselves are compared whatever their folders are called.
        ((name, one),), (other,) = first.stages.items(), second.stages.values()
        pairs = [(name, one, other)]
    if not pairs:
        raise DataError(
            "the runs have no stage in common",
            seen=f"{', '.join(first.stages)} and {', '.join(second.stages)}",
            fix="Name two runs, or two stages.",
        )
    return RunComparison(
        first=first.name,
        second=second.name,
        stages=tuple(_stage(*pair) for pair in pairs),
        scores=tuple(_scores(first.report, second.report)),
    )


def _stage(name: str, first: StageState, second: StageState) -> StageComparison:
    both = {m.step: m.loss for m in first.metrics}
    differences = [abs(m.loss - both[m.step]) for m in second.metrics if m.step in both]
    step, losses = _losses(first.validations, second.validations)
    known = [one for one in differences if math.isfinite(one)]
    return StageComparison(
        name=name,
        settings=tuple(_settings(first, second)),
        num_common=len(differences),
        largest_difference=max(known, default=None),
        figures=tuple(_figures(first.metrics, second.metrics)),
        validation_step=step,
        losses=tuple(losses),
    )


def _settings(first: StageState, second: StageState) -> Iterator[SettingPair]:
    one, other = (_flat(state.facts) for state in (first, second))
    for name in sorted({*one, *other}):
        if one.get(name, "") != other.get(name, "") and not name.startswith(_LEFT_OUT):
            yield SettingPair(name=name, first=one.get(name, ""), second=other.get(name, ""))


def _flat(facts: Mapping[str, Any]) -> dict[str, str]:
    job = facts.get("settings", {})
    chosen = {key: facts[key] for key in ("device", "num_workers", "num_samples") if key in facts}
    chosen |= {key: job[key] for key in ("recipe",) if key in job}
    return flat_settings({**job.get("config", {}), **chosen})


def _figures(first: Sequence[StepMetrics], second: Sequence[StepMetrics]) -> Iterator[Pair]:
    both = (first, second)
    last = min(metrics[-1].step for metrics in both)
    until = [[m for m in metrics if m.step <= last] for metrics in both]
    yield Pair(name="steps done", first=float(len(first)), second=float(len(second)))
    yield _pair(f"loss around step {last + 1:,}", until, _mean_loss)
    yield _pair("tokens a second, median", both, lambda m: _median(m, _tokens_per_s))
    yield _pair("samples a second, median", both, lambda m: _median(m, _samples_per_s))
    yield _pair("MFU, median (%)", both, lambda m: _median(m, _mfu))
    yield _pair("waiting for data (%)", both, _wait)
    yield _pair("peak memory of a worker (GiB)", both, _peak_gib)
    yield _pair("seconds in steps", both, lambda m: sum(one.step_s for one in m))


def _pair(name: str, both: Any, of: Any) -> Pair:  # noqa: ANN401 - two lists, and what reads one
    return Pair(name=name, first=of(both[0]), second=of(both[1]))


def _mean_loss(metrics: Sequence[StepMetrics]) -> float | None:
    losses = [m.loss for m in metrics[-RECENT:] if math.isfinite(m.loss)]
    return statistics.fmean(losses) if losses else None


def _median(metrics: Sequence[StepMetrics], of: Any) -> float | None:  # noqa: ANN401
    values = [value for value in map(of, metrics) if value is not None]
    return statistics.median(values) if values else None


def _tokens_per_s(metrics: StepMetrics) -> float:
    return metrics.num_tokens / metrics.step_s


def _samples_per_s(metrics: StepMetrics) -> float:
    return metrics.num_samples / metrics.step_s


def _mfu(metrics: StepMetrics) -> float | None:
    return None if metrics.mfu is None else 100 * metrics.mfu


def _wait(metrics: Sequence[StepMetrics]) -> float:
    return 100 * sum(m.data_wait_s for m in metrics) / sum(m.step_s for m in metrics)


def _peak_gib(metrics: Sequence[StepMetrics]) -> float | None:
    known = [m.peak_memory_bytes for m in metrics if m.peak_memory_bytes is not None]
    return max(known) / GIB if known else None


def _losses(
    first: Sequence[Validation], second: Sequence[Validation]
) -> tuple[int | None, list[Pair]]:
    """Returns the latest step that both have evaluated after, and the losses there."""
    one, other = ({v.step: v for v in both} for both in (first, second))
    common = [step for step in one if step in other]
    if not common:
        return None, []
    step = max(common)
    left, right = one[step], other[step]
    codes = [code for code in languages.codes() if {code} <= {*left.languages, *right.languages}]
    codes += sorted({*left.languages, *right.languages} - set(codes))
    pairs = [Pair(name=code, first=_loss(left, code), second=_loss(right, code)) for code in codes]
    for resource in ("high", "low"):
        means = resource_loss(left, resource), resource_loss(right, resource)
        if means != (None, None):
            pairs.append(Pair(name=f"mean of {resource}-resource", first=means[0], second=means[1]))
    pairs.append(Pair(name="mean of languages", first=left.mean_loss, second=right.mean_loss))
    return step, pairs


def _loss(validation: Validation, code: str) -> float | None:
    return validation.languages[code].loss if code in validation.languages else None


def _scores(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Pair]:
    """Yields accuracy by language, then its means, where a run was scored on questions."""
    by_language = [report.get("accuracy", {}) for report in (first, second)]
    for code in dict.fromkeys([*by_language[0], *by_language[1]]):
        yield Pair(name=code, first=by_language[0].get(code), second=by_language[1].get(code))
    for key, name in (
        ("accuracy_high_resource", "mean of high-resource"),
        ("accuracy_low_resource", "mean of low-resource"),
        ("accuracy_average", "average"),
        ("accuracy_without_image", "average without image"),
    ):
        if key in first or key in second:
            yield Pair(name=name, first=first.get(key), second=second.get(key))
