from palo.train.metrics import MetricsLog, StepMetrics
from palo.train.stall_watch import StallWatch


def do_step(log, step, step_s=1.0):
    log.append(
        StepMetrics(
            step=step, num_steps=9, loss=0.5, grad_norm=1.0, lr_scale=1.0, num_samples=1,
            num_tokens=10, num_target_tokens=5, step_s=step_s, data_wait_s=0.0, time=0.0,
        )
    )  # fmt: skip


def test_a_stage_that_does_no_steps_any_more_is_told_now_and_then(tmp_path):
    path, now, said = tmp_path / "metrics.jsonl", [0.0], []
    log = MetricsLog(path, start_step=0)
    watch = StallWatch(path, 1800.0, said.append, clock=lambda: now[0])
    now[0] = 1000.0
    watch.look()  # workers that start miss no step
    do_step(log, 0)
    watch.look()
    for now[0] in (1100.0, 1121.0, 1130.0, 1300.0):
        watch.look()
    assert len(said) == 2
    assert "no step for 2 min" in said[0]
    assert "wait up to 30 min" in said[0]
    do_step(log, 1)
    watch.look()
    now[0] = 1400.0
    watch.look()
    assert len(said) == 2


def test_long_steps_are_no_stall(tmp_path):
    path, now, said = tmp_path / "metrics.jsonl", [0.0], []
    log = MetricsLog(path, start_step=0)
    watch = StallWatch(path, 1800.0, said.append, clock=lambda: now[0])
    do_step(log, 0, step_s=60.0)
    watch.look()
    now[0] = 600.0
    watch.look()
    assert said == []
    now[0] = 1300.0
    watch.look()
    assert len(said) == 1
