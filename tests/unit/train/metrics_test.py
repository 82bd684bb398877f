import dataclasses
import json

import pytest

from palo import storage
from palo.progress import duration
from palo.train.engine import PlainEngine
from palo.train.metrics import MetricsLog, StepMetrics, eta_s, read_metrics
from palo.train.watch_settings import MetricsSettings
from palo.train.worker import train_stage

_FIRST_FIELDS = (
    "step", "num_steps", "loss", "grad_norm", "lr_scale", "num_samples", "num_tokens",
    "num_target_tokens", "step_s", "data_wait_s", "time",
)  # fmt: skip


def metrics(step, **changes):
    values = {
        "step": step,
        "num_steps": 100,
        "loss": 1.5,
        "grad_norm": 0.5,
        "lr_scale": 1.0,
        "num_samples": 8,
        "num_tokens": 400,
        "num_target_tokens": 40,
        "step_s": 2.0,
        "data_wait_s": 0.1,
        "time": 0.0,
    }
    return StepMetrics(**(values | changes))


def test_a_continued_run_neither_repeats_nor_skips_a_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    for step in range(5):
        log.append(metrics(step, loss=float(step)))
    log = MetricsLog(path, 3)
    log.append(metrics(3, loss=0.1))
    assert [(m.step, m.loss) for m in read_metrics(path)] == [(0, 0), (1, 1), (2, 2), (3, 0.1)]


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path, 0).append(metrics(0))
    with path.open("a") as file:
        file.write('{"step": 1, "num_st')
    assert [m.step for m in read_metrics(path)] == [0]


def test_losses_come_back_bit_for_bit(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    log.append(metrics(0, loss=0.1 + 0.2))
    assert read_metrics(tmp_path / "metrics.jsonl")[0].loss == 0.1 + 0.2


def test_the_time_left_follows_the_latest_steps():
    slow_start = [metrics(0, step_s=60.0), *(metrics(step) for step in range(1, 10))]
    assert eta_s(slow_start) == pytest.approx(90 * 2.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_read_as_people_write_them(seconds, text):
    assert duration(seconds) == text


def test_files_of_earlier_versions_are_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    old = {
        name: value
        for name, value in dataclasses.asdict(metrics(0)).items()
        if name in _FIRST_FIELDS
    }
    assert len(old) == len(_FIRST_FIELDS)
    path.write_text(json.dumps(old) + "\n")
    (found,) = read_metrics(path)
    assert (found.loss, found.mfu, found.slow_rank, dict(found.learning_rates)) == (
        1.5,
        None,
        None,
        {},
    )


def test_a_stage_leaves_figures_of_every_step(make_job):
    settings = MetricsSettings(peak_tflops=0.001)
    job = make_job(metrics=settings)
    train_stage(job, PlainEngine)
    last = read_metrics(job.metrics)[-1]
    peak = job.config.optimizer.lr_projector
    assert last.learning_rates == {
        part: pytest.approx(peak * last.lr_scale) for part in ("projector", "language_model")
    }
    assert last.num_workers == 1
    assert 0 < last.max_data_wait_s == last.data_wait_s
    assert 0 < last.memory_bytes <= last.peak_memory_bytes
    assert last.mfu == pytest.approx(last.model_flops / (last.step_s * 1e9))
    (rank,) = storage.read_json(job.files.ranks)["ranks"]
    assert rank["rank"] == 0
    assert rank["tokens_per_s"] > 0
    facts = storage.read_json(job.files.facts)
    assert facts["peak_tflops"] == 0.001
    assert facts["settings"]["config"]["seed"] == job.config.seed


def test_a_stage_that_trains_the_projector_has_one_learning_rate(make_job):
    job = make_job(trains="projector", lora=None)
    train_stage(job, PlainEngine)
    last = read_metrics(job.metrics)[-1]
    assert set(last.learning_rates) == {"projector"}
    assert last.mfu is None
