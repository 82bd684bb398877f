"""How often an epoch sees the samples of each language."""

from collections import Counter

import numpy as np
import pytest

from palo.data.plan import Plan, PlanConfig
from palo.data.sampling import LanguageSampling, counts_at, drawn

SIZES = {0: 1000, 1: 100, 2: 7}
GROUPS = np.repeat([0, 1, 2], list(SIZES.values()))


@pytest.mark.parametrize("temperature", [1.0, 1.5, 5.0, 1e6])
def test_an_epoch_keeps_its_length_at_any_temperature(temperature):
    counts = counts_at(SIZES, temperature)
    assert sum(counts.values()) == sum(SIZES.values())
    assert counts[0] >= counts[1] >= counts[2]


def test_a_temperature_evens_languages_out():
    assert counts_at(SIZES, 1.0) == SIZES
    assert set(counts_at(SIZES, 1e9).values()) == {369}
    # Weights of 10 and 1 for 100 and 1 samples at temperature 2.
    assert counts_at({0: 100, 1: 1}, 2.0) == {0: 92, 1: 9}
    assert counts_at({0: 10**6, 1: 1}, 1.0)[1] == 1


def test_scarce_samples_come_again_and_abundant_ones_in_turns():
    sampling = LanguageSampling(groups=GROUPS, counts={0: 400, 1: 400, 2: 307})
    used = np.arange(len(GROUPS))
    epochs = [Counter(drawn(sampling, used, epoch, "name").tolist()) for epoch in range(5)]
    assert all(count == 1 for index, count in epochs[0].items() if index < 1000)
    assert all(epochs[0][index] == 4 for index in range(1000, 1100))
    assert {epochs[0][index] for index in range(1100, 1107)} == {43, 44}
    together = sum(epochs, Counter())
    # Five epochs of 400 are two turns of all 1,000.
    assert {together[index] for index in range(1000)} == {2}
    assert len({together[index] for index in range(1100, 1107)}) <= 2


def plan(sampling=None, **changes):
    rng = np.random.default_rng(1)
    values = {"global_batch": 50, "token_budget": 1024, "tokens_per_image": 9, "max_epochs": 3}
    lengths = rng.integers(20, 200, len(GROUPS)).astype(np.int32)
    has_image = rng.random(len(GROUPS)) < 0.5
    return Plan(PlanConfig(**values | changes), "0123", lengths, has_image, None, sampling)


def test_a_plan_sees_each_language_as_often_as_it_should():
    counts = counts_at(SIZES, 5.0)
    sampled = plan(LanguageSampling(groups=GROUPS, counts=counts))
    assert (sampled.num_samples, sampled.num_steps) == (plan().num_samples, plan().num_steps)
    for epoch in range(3):
        steps = range(
            epoch * sampled.num_steps_per_epoch, (epoch + 1) * sampled.num_steps_per_epoch
        )
        seen = [index for step in steps for index in sampled.step(step)]
        assert Counter(GROUPS[seen].tolist()) == counts
        packed = [i for packs in sampled.packs(steps[0], 2) for p in packs for i in p.indices]
        assert sorted(packed) == sorted(sampled.step(steps[0]))
    assert sampled.summary(2).num_samples == len(GROUPS)
    assert sampled.step(3) == plan(LanguageSampling(groups=GROUPS, counts=counts)).step(3)
    assert sampled.step(3) != plan(LanguageSampling(groups=GROUPS, counts=counts), seed=1).step(3)


def test_the_longest_sample_is_found_where_not_all_are_used():
    """Regression: the longest of the first samples was looked for, be it used or not."""
    chosen = GROUPS == 2
    whole = plan()
    part = Plan(whole.config, "0123", whole._lengths.astype(np.int32), GROUPS < 0, chosen)
    longest = max(np.flatnonzero(chosen).tolist(), key=part.length)
    assert longest in part.step(part.step_of_longest())
