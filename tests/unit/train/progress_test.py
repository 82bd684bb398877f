import pytest

from palo.train import progress
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
