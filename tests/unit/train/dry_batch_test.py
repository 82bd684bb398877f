"""A dry batch, and a step that is discarded, leave no trace: in one process and under ZeRO."""

import math

import pytest
from tests.fixtures.loaded_processes import run_workers

from palo.data.corpus_reader import open_corpus
from palo.train.dry_batch import largest_row, run_dry_batch
from palo.train.engine import PlainEngine
from palo.train.stages import ZeroSettings
from palo.train.worker import build_model, make_plan


def plan_of(job, corpus):
    return make_plan(corpus, job.config, tokens_per_image=16)


def test_the_largest_row_is_found(make_job):
    job = make_job()
    plan = plan_of(job, open_corpus(job.corpus))
    step, micro, num_tokens = largest_row(plan, world_size=2)
    rows = [
        sum(plan.length(index) for index in pack.indices)
        for step in range(plan.num_steps)
        for packs in plan.packs(step, 2)
        for pack in packs
    ]
    assert num_tokens == max(rows)
    found = [sum(map(plan.length, packs[micro].indices)) for packs in plan.packs(step, 2)]
    assert max(found) == num_tokens


def first_steps(job, engine, *, dry):
    """Returns the losses of a few steps, perhaps after a dry batch and a discarded step."""
    from palo.data.loader import PackLoader
    from palo.train.loop import token_losses

    corpus = open_corpus(job.corpus)
    plan = plan_of(job, corpus)
    if dry:
        assert run_dry_batch(engine, corpus, plan) > 0
    losses = []
    with PackLoader(corpus, plan) as loader:
        for batch in loader:
            for index, row in enumerate(batch.micro_batches):
                loss = token_losses(engine.module, row).sum() / batch.num_target_tokens
                engine.backward(loss, last=index + 1 == len(batch.micro_batches))
                losses.append(float(loss))
            if dry and batch.step == 1:
                assert math.isnan(engine.discard())
            else:
                engine.step(1.0)
    return losses


def first_steps_under_zero(job):
    """Runs both ways under ZeRO; returns the losses."""
    from palo.train.zero_engine import ZeroEngine

    engine = ZeroEngine(build_model(job.parts, job.config, None), job.config)
    return first_steps(job, engine, dry=True)


@pytest.fixture
def plain_losses(make_job):
    job = make_job()
    return first_steps(job, PlainEngine(build_model(job.parts, job.config, None), job.config),
                       dry=True)  # fmt: skip


def test_a_dry_batch_changes_nothing(make_job, plain_losses):
    job = make_job()
    engine = PlainEngine(build_model(job.parts, job.config, None), job.config)
    undisturbed = first_steps(job, engine, dry=False)
    rows = len(plan_of(job, open_corpus(job.corpus)).packs(0, 1)[0])
    rows += len(plan_of(job, open_corpus(job.corpus)).packs(1, 1)[0])
    assert plain_losses[:rows] == undisturbed[:rows]  # until the discarded step
    assert plain_losses[rows] != undisturbed[rows]


@pytest.mark.parametrize(
    "zero", [ZeroSettings(stage=2), ZeroSettings(stage=3, persistence_threshold=0)],
    ids=["zero2", "zero3"],
)  # fmt: skip
def test_under_zero_a_dry_batch_and_a_discarded_step_change_nothing(make_job, plain_losses, zero):
    (losses,) = run_workers(1, first_steps_under_zero, make_job(zero=zero))
    assert losses == pytest.approx(plain_losses, abs=1e-5)
