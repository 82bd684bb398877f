from dataclasses import replace

import pytest

from palo import languages
from palo.train.metrics import StepMetrics
from palo.train.screen import operations, progress_line, screen_lines, validation_line
from palo.train.stage_state import StageState
from palo.train.validation import LanguageLoss, Validation


def metrics(step, **changes):
    values = {
        "step": step, "num_steps": 1000, "loss": 1.5, "grad_norm": 0.5, "lr_scale": 1.0,
        "num_samples": 8, "num_tokens": 400, "num_target_tokens": 40, "step_s": 2.0,
        "data_wait_s": 0.1, "time": 0.0, "learning_rates": {"projector": 2e-5},
        "num_workers": 8, "max_data_wait_s": 0.2, "memory_bytes": 3 << 30,
        "peak_memory_bytes": 5 << 30, "model_flops": 4e12, "mfu": 0.412,
    }  # fmt: skip
    return StepMetrics(**(values | changes))


def validation(step=500, change=0.0, codes=None):
    losses = {
        code: LanguageLoss(loss=1.0 + number / 10 + change, num_target_tokens=9, num_samples=2)
        for number, code in enumerate(codes or languages.codes())
    }
    return Validation(
        step=step, loss=1.4 + change, mean_loss=1.45, languages=losses, seconds=1.0, time=0.0
    )


def state(**changes):
    values = {"metrics": [metrics(step) for step in range(50)]}
    return StageState(**(values | changes))


def test_the_line_of_a_log_tells_speed_wait_and_time_left():
    line = progress_line("finetune", state())
    for word in ("step 50/1000", "loss 1.5000", "200 tokens/s", "MFU 41.2%", "data wait 5.0%"):
        assert word in line
    assert line.endswith("31 min 40 s left")


def test_the_screen_tells_everything():
    both = [validation(250), validation(500, change=-0.25)]
    lines = screen_lines("finetune", state(validations=both), 120)
    text = "\n".join(lines)
    for words in (
        "step 50/1,000  5%", "loss 1.5000", "gradient norm 0.5", "projector 2.00e-05",
        "200 tokens/s", "4.0 samples/s", "2.00 s a step", "MFU 41.2%", "8 workers", "3.00 GiB",
        "5.00 GiB", "after step 500: 1.1500", "en 0.750 -0.250", "ur 1.650 -0.250",
    ):  # fmt: skip
        assert words in text


def test_the_slow_worker_is_named_on_both():
    slow = [metrics(0, slow_rank=3, slow_cause="data")]
    assert "worker 3 is slow at waiting for data" in progress_line("x", state(metrics=slow))
    assert "! worker 3 is slow" in screen_lines("x", state(metrics=slow), 80)[-1]


def test_without_a_peak_rate_operations_are_told():
    lines = screen_lines("x", state(metrics=[metrics(0, mfu=None)]), 100)
    assert any("2.0 TFLOP/s of the model" in line for line in lines)


@pytest.mark.parametrize(
    ("per_second", "words"),
    [(3.25e14, ("325.0", "TFLOP/s")), (5e10, ("50.0", "GFLOP/s")), (1e5, ("0.1", "MFLOP/s"))],
)
def test_operations_have_a_unit_that_fits(per_second, words):
    assert operations(per_second) == words


@pytest.mark.parametrize("width", [20, 40, 79, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(width):
    lines = screen_lines("finetune", state(validations=[validation()]), width)
    assert max(map(len, lines)) <= width
    assert len(lines) >= 4


def test_a_run_of_an_earlier_version_is_shown_as_far_as_it_goes():
    old = [metrics(0, learning_rates={}, num_workers=None, memory_bytes=None, mfu=None,
                   peak_memory_bytes=None, model_flops=None, max_data_wait_s=None)]  # fmt: skip
    assert len(screen_lines("x", state(metrics=old), 80)) == 3
    assert "MFU" not in progress_line("x", state(metrics=old))


def test_steps_that_were_skipped_don_t_spoil_the_loss():
    mixed = [metrics(0), metrics(1, loss=float("nan"))]
    assert "loss 1.5000" in progress_line("x", state(metrics=mixed))


def test_languages_come_in_the_order_of_every_table():
    line = validation_line(validation(codes=["ur", "en", "zh", "xx"]))
    assert line.index("en ") < line.index("zh ") < line.index("ur ") < line.index("xx ")


def test_the_best_evaluation_is_named_once_a_later_one_is_worse():
    better = replace(validation(step=500), mean_loss=1.3)
    worse = validation(step=1000)
    named = state(validations=[better, worse])
    assert named.best == better
    assert "best after step 500" in "\n".join(screen_lines("finetune", named, 200))
    assert "best after" not in "\n".join(screen_lines("finetune", state(validations=[better]), 200))
    assert state(validations=[]).best is None
