import json
import os

import pytest

from palo.train import progress
from palo.train.metrics import MetricsLog, StepMetrics
from palo.train.progress import TrainingProgress
from palo.train.stage_files import StageFiles
from palo.train.stage_state import StageReader
from palo.train.validation import LanguageLoss, Validation, ValidationLog


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test sets it."""
    now = {"s": 100.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: now["s"])
    return now


def test_it_says_for_how_long_the_workers_have_been_starting(tmp_path, clock, capsys):
    shown = TrainingProgress("pretrain", StageFiles(tmp_path))
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
    shown = TrainingProgress("pretrain", StageFiles(tmp_path))
    assert not shown.has_begun
    clock["s"] = 115.0
    shown.update()
    assert capsys.readouterr().out == "pretrain  the workers have been starting for 15 s\n"
    log.append(step(1))
    assert shown.has_begun
    clock["s"] = 130.0
    shown.update()
    assert capsys.readouterr().out.startswith("pretrain  step 2/9  loss 0.5000")


def test_events_and_held_out_losses_become_lines_of_a_log(tmp_path, clock, capsys):
    files = StageFiles(tmp_path)
    note(files, "of an earlier attempt")
    shown = TrainingProgress("finetune", files)
    MetricsLog(files.metrics, 0).append(step(0))
    ValidationLog(files.validations, 0).append(validation(1))
    note(files, "mlflow gets no more metrics: \x1b[2J")
    shown.update()
    assert capsys.readouterr().out.splitlines() == [
        "finetune  mlflow gets no more metrics: \\x1b[2J",
        "finetune  held out, after step 1: 1.5000  en 1.000  ur 2.000",
        "finetune  step 1/9  loss 0.5000  10 tokens/s  data wait 0.0%  8 s left",
    ]
    clock["s"] += 60.0
    shown.update()
    assert capsys.readouterr().out == ""


def test_a_terminal_is_drawn_anew_in_place(tmp_path, clock, capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress.shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    files = StageFiles(tmp_path)
    shown = TrainingProgress("finetune", files)
    log = MetricsLog(files.metrics, 0)
    log.append(step(0))
    shown.update()
    first = capsys.readouterr().out
    assert "\x1b" not in first
    clock["s"] += 2.0
    log.append(step(1))
    shown.update()
    second = capsys.readouterr().out
    assert second.startswith(f"\x1b[{first.count(chr(10))}F\x1b[J")
    assert "step 2/9" in second
    shown.say("stopping")
    assert capsys.readouterr().out.endswith("\x1b[Jfinetune  stopping\n")
    clock["s"] += 2.0
    shown.update()  # what was erased comes back, without a new step
    assert capsys.readouterr().out == second.partition("\x1b[J")[2]


def test_a_resumed_stage_whose_file_was_written_anew_is_read_from_its_start(tmp_path):
    files = StageFiles(tmp_path)
    log = MetricsLog(files.metrics, 0)
    for number in range(5):
        log.append(step(number))
    reader = StageReader(files)
    assert [m.step for m in reader.metrics()] == [0, 1, 2, 3, 4]
    log = MetricsLog(files.metrics, 2)
    log.append(step(2))
    with files.metrics.open("a") as file:
        file.write('{"step": 3')
    assert [m.step for m in reader.metrics()] == [0, 1, 2]


def validation(done):
    language = {"num_target_tokens": 3, "num_samples": 2}
    losses = {"ur": LanguageLoss(loss=2.0, **language), "en": LanguageLoss(loss=1.0, **language)}
    return Validation(
        step=done, loss=1.5, mean_loss=1.5, languages=losses, seconds=1.0, time=float(done)
    )


def step(number):
    return StepMetrics(
        step=number, num_steps=9, loss=0.5, grad_norm=1.0, lr_scale=1.0, num_samples=1,
        num_tokens=10, num_target_tokens=5, step_s=1.0, data_wait_s=0.0, time=float(number),
    )  # fmt: skip


def note(files, text):
    with files.events.open("a") as file:
        file.write(json.dumps({"time": 0.0, "event": "note", "note": text}) + "\n")
