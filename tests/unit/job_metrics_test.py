"""What jobs count reaches Ray's exporter where Ray runs, and nothing else happens elsewhere."""

import time
from dataclasses import fields
from typing import Any

import pytest

from palo import job_metrics
from palo.job_metrics import WORK_UNITS, JobMetric
from palo.progress import Meter
from palo.train.metrics import StepMetrics
from palo.train.tracking import ray_gauges
from palo.train.tracking.ray_gauges import RayGauges
from palo.train.tracking.values import step_values, validation_values
from palo.train.validation import LanguageLoss, Validation


class Exported:
    """Stands for Ray's metrics: the newest value, or the sum, by name and labels."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}

    def of(self, metric: JobMetric) -> Any:
        exported = self

        class One:
            def inc(self, value: float, labels: dict[str, str]) -> None:
                key = (metric.series, *labels.values())
                exported.values[key] = exported.values.get(key, 0) + value

            def set(self, value: float, labels: dict[str, str]) -> None:
                exported.values[metric.series, *labels.values()] = value

        return One()


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    """Ray's metrics, as if it ran here."""
    found = Exported()
    for module in (job_metrics, ray_gauges):
        monkeypatch.setattr(module, "is_exported", lambda: True)
    monkeypatch.setattr(job_metrics, "_counter", found.of)
    monkeypatch.setattr(job_metrics, "_gauge", found.of)
    return found


def test_a_meter_counts_what_is_done_once_and_nothing_of_earlier_runs(exported: Exported) -> None:
    meter = Meter("encode", "records", [].append, 100)
    meter.skip(40)
    meter.add(25)
    meter.add(35)
    meter.finish()
    meter.finish()
    assert exported.values == {("ray_palo_work_units_total", "encode", "records"): 60}


def test_every_value_of_a_step_has_a_gauge(exported: Exported) -> None:
    given = {"learning_rates": {"projector": 1e-3}, "slow_cause": None, "slow_rank": None}
    numbers = {one.name: 2 for one in fields(StepMetrics) if one.name not in given}
    step = StepMetrics(**numbers, **given)
    validation = Validation(
        step=2, loss=1.5, mean_loss=1.25, seconds=1.0,
        languages={"bn": LanguageLoss(loss=1.0, num_target_tokens=3, num_samples=1)}, time=0.0,
    )  # fmt: skip
    values = step_values(step) | validation_values(validation)
    run = "mine/finetune"
    gauges = RayGauges(run)
    gauges.log(values, 3)
    gauges.close()
    assert {series for series, *_ in exported.values} == {
        metric.series
        for metric in (
            *ray_gauges.VALUES.values(),
            ray_gauges.STEP,
            ray_gauges.LEARNING_RATE,
            ray_gauges.LANGUAGE_LOSS,
        )
    }
    assert exported.values["ray_palo_train_step", run] == 3
    assert exported.values["ray_palo_train_tokens_per_second", run] == 1
    assert exported.values["ray_palo_train_learning_rate", run, "projector"] == 1e-3
    assert exported.values["ray_palo_train_validation_language_loss", run, "bn"] == 1.0


def test_a_value_without_a_gauge_is_a_fault_of_the_program(exported: Exported) -> None:
    with pytest.raises(ValueError, match="speed/new"):
        RayGauges("mine/finetune").log({"speed/new": 1.0}, 1)


def test_what_ray_forgets_is_set_again_until_the_stage_ends(exported: Exported) -> None:
    gauges = RayGauges("mine/finetune", again_s=0.02)
    gauges.log({"train/loss": 2.0, "validation/bn": 1.5}, 1)
    known = set(exported.values)
    for _ in range(2):
        exported.values.clear()
        until = time.monotonic() + 30
        while set(exported.values) != known:
            assert time.monotonic() < until
            time.sleep(0.01)
    gauges.close()
    exported.values.clear()
    time.sleep(0.1)
    assert not exported.values


def test_labels_are_those_that_were_declared(exported: Exported) -> None:
    with pytest.raises(ValueError, match="palo_work_units has the labels"):
        WORK_UNITS.add(1, step="encode")
    assert not exported.values


def test_without_ray_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(job_metrics.sys.modules, "ray", raising=False)
    monkeypatch.setattr(job_metrics, "_counter", pytest.fail)
    WORK_UNITS.add(1, step="encode", unit="records")
