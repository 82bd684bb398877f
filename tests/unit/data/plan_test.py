import itertools

import numpy as np
import pytest

from palo.data.plan import Plan, PlanConfig
from palo.errors import ConfigError


def make_plan(num_samples=103, chosen=None, **changes):
    rng = np.random.default_rng(5)
    lengths = rng.integers(20, 400, num_samples).astype(np.int32)
    has_image = rng.random(num_samples) < 0.7
    values = {"global_batch": 16, "token_budget": 1024, "tokens_per_image": 144, "max_epochs": 2}
    config = PlanConfig(**(values | changes))
    return Plan(config, "0123456789abcdef", lengths, has_image, chosen)


def test_every_sample_comes_once_an_epoch_and_the_last_step_keeps_its_size():
    plan = make_plan()
    assert (plan.num_steps_per_epoch, plan.num_steps) == (7, 14)
    for epoch in range(2):
        steps = [plan.step(epoch * 7 + number) for number in range(7)]
        assert [len(step) for step in steps] == [16] * 6 + [7]
        assert sorted(itertools.chain(*steps)) == list(range(103))
    assert plan.step(0) != plan.step(7)


def test_a_choice_leaves_the_other_samples_out_and_numbers_as_they_are():
    whole = make_plan()
    chosen = np.arange(103) % 3 == 1
    plan = make_plan(chosen=chosen)
    assert plan.num_samples == chosen.sum() == 34
    assert plan.num_steps_per_epoch == 3
    seen = list(itertools.chain(*(plan.step(number) for number in range(3))))
    assert sorted(seen) == np.flatnonzero(chosen).tolist()
    assert all(plan.length(index) == whole.length(index) for index in seen)
    assert plan.summary(2).num_tokens == sum(map(whole.length, seen))
    assert make_plan(chosen=np.ones(103, bool)).step(0) == whole.step(0)
    with pytest.raises(ValueError, match="0 of 103"):
        make_plan(chosen=np.zeros(103, bool))


@pytest.mark.parametrize("world_size", [1, 2, 3, 8, 32])
def test_packs_hold_exactly_the_samples_of_the_step(world_size):
    plan = make_plan()
    for step in range(plan.num_steps_per_epoch):
        dealt = plan.packs(step, world_size)
        assert len(dealt) == world_size
        assert len({len(packs) for packs in dealt}) == 1
        assert len(dealt[0]) >= 1
        real = [p for p in itertools.chain(*dealt) if not p.dummy]
        assert sorted(itertools.chain(*(p.indices for p in real))) == sorted(plan.step(step))
        for pack in itertools.chain(*dealt):
            assert pack.indices
            assert sum(map(plan.length, pack.indices)) <= 1024


def test_a_sample_over_the_budget_gets_its_own_pack():
    plan = make_plan(token_budget=256)
    for step in range(plan.num_steps_per_epoch):
        for pack in itertools.chain(*plan.packs(step, 2)):
            assert len(pack.indices) == 1 or sum(map(plan.length, pack.indices)) <= 256


def test_more_workers_than_samples_get_dummies_of_a_sample_of_the_step():
    plan = make_plan(num_samples=3)
    packs = [packs[0] for packs in plan.packs(0, 8)]
    assert sum(pack.dummy for pack in packs) == 5
    assert {p.indices[0] for p in packs if p.dummy} < {0, 1, 2}


def test_ranks_are_balanced_in_every_micro_batch():
    plan = make_plan(num_samples=4096, global_batch=128, token_budget=2048)
    summary = plan.summary(world_size=8)
    assert summary.imbalance < 0.05
    assert summary.padding_share == summary.dummy_share == 0
    assert summary.num_tokens == sum(plan.length(i) for i in range(4096))


def test_a_plan_depends_on_fingerprint_seed_and_epoch_only():
    plan = make_plan()
    again = make_plan()
    again.packs(9, 4)
    assert [plan.step(s) for s in range(14)] == [again.step(s) for s in range(14)]
    assert plan.packs(3, 2) == again.packs(3, 2)
    assert make_plan(seed=1).step(0) != plan.step(0)
    other = Plan(plan.config, "another", np.ones(103, np.int32), np.zeros(103, bool))
    assert other.step(0) != plan.step(0)


def test_the_order_is_pinned():
    """A resumed run meets the same order in later versions of NumPy and of this code."""
    assert make_plan().step(0)[:8] == (14, 21, 20, 3, 25, 57, 43, 95)


def test_two_million_samples_are_planned_in_seconds():
    plan = make_plan(num_samples=2_084_706, global_batch=128, token_budget=8192)
    assert plan.num_steps_per_epoch == 16_287
    assert len(plan.step(16_286)) == 2_084_706 - 128 * 16_286
    assert len(plan.packs(7, 8)) == 8


def test_wrong_values_are_refused():
    with pytest.raises(ConfigError, match=r"global_batch must be at least 1.*token_budget"):
        make_plan(global_batch=0, token_budget=0)
    with pytest.raises(ValueError, match="steps 0 to 13, not 14"):
        make_plan().step(14)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        make_plan().packs(0, 0)
    with pytest.raises(ValueError, match="got 0 and 0"):
        make_plan(num_samples=0)
