"""Ray Train and DeepSpeed against one plain process, and what it needs to begin."""

import json

import pytest

from palo.checkpoint import trainable
from palo.errors import ResourceError
from palo.train.engine import PlainEngine
from palo.train.eval_callback import EvalCallback, read_notes
from palo.train.launch import run_stage
from palo.train.metrics import read_metrics
from palo.train.stages import WorkerSettings, ZeroSettings
from palo.train.worker import train_stage

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


@pytest.fixture
def plain_losses(make_job):
    """Losses of two epochs in one process without DeepSpeed."""
    job = make_job("plain", epochs=2)
    train_stage(job, PlainEngine)
    return losses(job)


@pytest.mark.parametrize(
    "zero",
    [
        ZeroSettings(stage=2),
        ZeroSettings(stage=3, persistence_threshold=0),
        ZeroSettings(stage=3, partition_at_load=True),
        ZeroSettings(stage=3, whole_blocks=True),
    ],
    ids=["zero2", "zero3", "zero3-partitioned-at-load", "zero3-whole-blocks"],
)
def test_two_zero_workers_equal_one_plain_process(make_job, plain_losses, zero):
    job = make_job(epochs=2, zero=zero)
    notes = job.output / "notes.jsonl"

    def evaluate(stage, done):
        line = json.dumps({"note": f"{done} {sorted(path.name for path in stage.iterdir())}"})
        notes.write_text(line + "\n")

    run_stage(job, EvalCallback(every=4, run=evaluate, notes=notes))
    assert read_notes(notes) == [
        "8 ['adapter', 'lineage.json', 'model.json', 'projector.safetensors']"
    ]
    assert losses(job) == pytest.approx(plain_losses, abs=1e-5)
    plain = trainable.read_states(trainable.every(job.output.parent / "plain" / "checkpoints")[-1])
    for name, state in trainable.read_states(trainable.every(job.checkpoints)[-1]).items():
        assert state.weight.sub(plain[name].weight).abs().max() < 1e-4, name


def test_more_workers_than_cpus_is_said_at_once(make_job):
    job = make_job(workers=WorkerSettings(count=64))
    with pytest.raises(ResourceError, match=r"64 training workers: 64 CPU needed, 4 there"):
        run_stage(job)
