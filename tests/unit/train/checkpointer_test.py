import threading

import pytest
import torch

from palo.checkpoint import trainable
from palo.checkpoint.trainable import ParameterState
from palo.errors import StorageError
from palo.train import checkpointer
from palo.train.checkpointer import Checkpointer
from palo.train.run_store import RunStore


class OneWeight:
    """An engine whose only weight is the number of steps."""

    rank, world_size = 0, 1

    def __init__(self):
        self.value = 0.0
        self.restored = None

    def gather(self):
        tensors = (torch.full((3,), self.value) for _ in range(3))
        return {"projector.0.bias": ParameterState(*tensors)}

    def restore(self, states, num_steps):
        self.restored = float(states["projector.0.bias"].weight[0]), num_steps

    def sum_over_workers(self, values):
        return values


@pytest.fixture
def made(make_job):
    """A checkpointer of a stage that saves every 100 steps or 60 seconds, and its clock."""
    job = make_job(checkpoint_every=100, checkpoint_every_s=60.0)
    now = [0.0]
    own = Checkpointer(RunStore(job), OneWeight(), {"corpus": "a"}, clock=lambda: now[0])
    own.resume()
    yield own, now, job
    own.close()


@pytest.fixture
def slow(monkeypatch):
    """Has writing wait for an event."""
    go, right = threading.Event(), trainable.save

    def save(*arguments):
        go.wait(10)
        return right(*arguments)

    monkeypatch.setattr(checkpointer.trainable, "save", save)
    return go


def test_a_checkpoint_is_due_by_steps_or_by_time_whichever_comes_first(made):
    own, now, _ = made
    assert [own.is_due(done) for done in (1, 99, 100)] == [False, False, True]
    now[0] = 59.0
    assert not own.is_due(7)
    now[0] = 60.0
    assert own.is_due(7)
    own.save(7)
    assert not own.is_due(8)


def test_training_goes_on_while_one_is_written_and_no_second_one_begins(made, slow):
    own, now, job = made
    own._engine.value = 1.0
    own.save(1)  # returns although nothing can be written
    own._engine.value = 2.0
    now[0] = 1000.0
    assert not own.is_due(2)
    slow.set()
    own.wait()
    assert own.is_due(3)
    (path,) = trainable.every(job.checkpoints)
    states = trainable.read_states(path)
    assert states["projector.0.bias"].weight.tolist() == [1.0] * 3


def test_the_next_one_waits_for_the_one_before(made, slow):
    own, _, job = made
    own.save(1)
    threading.Timer(0.05, slow.set).start()
    own.save(2)
    own.wait()
    assert [path.name[-1] for path in trainable.every(job.checkpoints)] == ["1", "2"]


def test_what_could_not_be_written_is_told_at_the_next_step(made, monkeypatch):
    own, _, _ = made

    def full(*_):
        raise StorageError("can't write the checkpoint", seen="No space left on device")

    monkeypatch.setattr(checkpointer.trainable, "save", full)
    own.save(1)
    own._writing.exception()  # until the thread has tried
    with pytest.raises(StorageError, match="No space left"):
        own.is_due(2)


def test_it_resumes_with_the_updates_that_were_made(made):
    own, _, job = made
    own._engine.value = 5.0
    own.count_skipped()
    own.save(5)
    own.wait()
    again = Checkpointer(RunStore(job), OneWeight(), {"corpus": "a"})
    assert again.resume() == 5
    assert again._engine.restored == (5.0, 4)
    again.close()
