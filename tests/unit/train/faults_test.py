import dataclasses
import math

import pytest
import torch

from palo.checkpoint import trainable
from palo.errors import TrainingError
from palo.train import loop
from palo.train.engine import PlainEngine
from palo.train.faults import memory_explained
from palo.train.metrics import read_metrics
from palo.train.worker import train_stage


@pytest.fixture
def spoil(monkeypatch):
    """Has the losses of some calls be another number; call it with their indices and the number."""
    right, calls = loop.token_losses, []

    def apply(steps, value):
        def losses(model, batch):
            calls.append(1)
            found = right(model, batch)
            return found * value if len(calls) - 1 in steps else found

        monkeypatch.setattr(loop, "token_losses", losses)

    return apply


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(make_job, spoil, value):
    job = make_job(token_budget=4096, checkpoint_every=1, keep_checkpoints=9)  # one row a step
    spoil({2}, value)
    train_stage(job, PlainEngine)
    losses = [one.loss for one in read_metrics(job.metrics)]
    assert [math.isfinite(loss) for loss in losses] == [True, True, False, True, True]
    cursors = [trainable.read_cursor(path) for path in trainable.every(job.checkpoints)]
    assert [cursor.skipped for cursor in cursors] == [0, 0, 1, 1, 1]
    before, after = (trainable.read_states(path) for path in trainable.every(job.checkpoints)[1:3])
    for name, state in before.items():
        assert all(map(torch.equal, state, after[name]))
    assert "step 2" in job.events.read_text()


def test_a_skipped_step_stays_skipped_where_a_stage_resumes(make_job, spoil):
    whole = make_job("whole", token_budget=4096)
    spoil({1}, math.nan)
    train_stage(whole, PlainEngine)
    stopped = make_job("stopped", token_budget=4096)
    calls = []

    def notice():
        calls.append(1)
        return len(calls) > 2

    spoil({6}, math.nan)
    with pytest.raises(TrainingError, match="taken away"):
        train_stage(stopped, PlainEngine, notice=notice)
    train_stage(stopped, PlainEngine)
    a, b = (trainable.every(job.checkpoints)[-1] for job in (whole, stopped))
    assert trainable.read_cursor(a).skipped == trainable.read_cursor(b).skipped == 1
    assert (a / trainable.WEIGHTS).read_bytes() == (b / trainable.WEIGHTS).read_bytes()


def test_three_in_a_row_end_the_stage_with_a_sound_checkpoint(make_job, spoil):
    job = make_job(token_budget=4096, checkpoint_every=1)
    spoil({2, 3, 4}, math.nan)
    with pytest.raises(
        TrainingError, match=r"loss is not finite at step 4, the third one in a row"
    ):
        train_stage(job, PlainEngine)
    assert trainable.read_cursor(trainable.every(job.checkpoints)[-1]).skipped == 2


def test_two_in_a_row_twice_end_nothing(make_job, spoil):
    job = make_job(token_budget=4096, epochs=2)
    spoil({1, 2, 4, 5}, math.nan)
    train_stage(job, PlainEngine)


def test_a_gpu_without_memory_names_the_settings(make_job):
    stage = make_job().config
    with (
        pytest.raises(TrainingError, match=r"token_budget 64: .*activation_checkpointing"),
        memory_explained(stage),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. More words.")
    with pytest.raises(TrainingError, match="token_budget"), memory_explained(stage):
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`")
    with pytest.raises(RuntimeError, match="closed by peer"), memory_explained(stage):
        raise RuntimeError("connection closed by peer")
    recomputing = dataclasses.replace(stage, activation_checkpointing=True)
    with pytest.raises(TrainingError) as raised, memory_explained(recomputing):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. More words.")
    assert "activation_checkpointing" not in str(raised.value)
