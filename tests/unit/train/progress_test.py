import pytest

from palo.train import progress
from palo.train.metrics import MetricsLog, StepMetrics
from palo.train.progress import TrainingProgress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test sets it."""
    now = {"s": 100.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: now["s"])
    return now


def test_it_says_for_how_long_the_workers_have_been_starting(tmp_path, clock, capsys):
    shown = TrainingProgress("pretrain", tmp_path / "metrics.jsonl")
    shown.update()
    assert capsys.readouterr().out == ""
    for seconds in (115.0, 116.0, 131.0):
        clock["s"] = seconds
        shown.update()
    assert capsys.readouterr().out.splitlines() == [
        "pretrain  the workers have been starting for 15 s",
        "pretrain  the workers have been starting for 31 s",
    ]


def test_a_stage_that_goes_on_waits_for_its_next_step(tmp_path, clock, capsys):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, start_step=0)
    log.append(step(0))
    shown = TrainingProgress("pretrain", path)
    assert not shown.has_begun
    clock["s"] = 115.0
    shown.update()
    assert capsys.readouterr().out == "pretrain  the workers have been starting for 15 s\n"
    log.append(step(1))
    assert shown.has_begun
    clock["s"] = 130.0
    shown.update()
    assert capsys.readouterr().out.startswith("pretrain  step 2/9  loss 0.5000")


def step(number):
    return StepMetrics(
        step=number, num_steps=9, loss=0.5, grad_norm=1.0, lr_scale=1.0, num_samples=1,
        num_tokens=10, num_target_tokens=5, step_s=1.0, data_wait_s=0.0, time=float(number),
    )  # fmt: skip
