"""Training on a CUDA device under Ray Train and ZeRO-3, against one plain process on the CPU."""

import pytest

from palo.session import ray_session
from palo.train.engine import PlainEngine
from palo.train.launch import run_stage
from palo.train.metrics import read_metrics
from palo.train.stages import WorkerSettings, ZeroSettings
from palo.train.worker import train_stage

pytestmark = [pytest.mark.gpu, pytest.mark.ray]


@pytest.mark.parametrize(
    ("dtype", "bound", "faster"),
    [
        ("float32", 1e-3, {}),
        ("float32", 1e-3, {"chunked_loss": True}),
        ("bfloat16", 5e-2, {}),
        ("bfloat16", 5e-2, {"attention": "palo_varlen", "chunked_loss": True}),
        ("bfloat16", 5e-2, {"zero": ZeroSettings(stage="auto"), "chunked_loss": True}),
    ],
)
def test_a_worker_with_a_gpu_learns_what_a_plain_process_learns(make_job, dtype, bound, faster):
    plain = make_job("plain", epochs=2)
    train_stage(plain, PlainEngine)
    workers = WorkerSettings(count=1, use_gpu=True)
    on_gpu = make_job("gpu", epochs=2, dtype=dtype, workers=workers, **faster)
    with ray_session():
        run_stage(on_gpu)
    expected = [metrics.loss for metrics in read_metrics(plain.metrics)]
    assert [metrics.loss for metrics in read_metrics(on_gpu.metrics)] == pytest.approx(
        expected, abs=bound
    )
