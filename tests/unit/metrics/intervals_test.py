import numpy as np
import pytest

from palo.metrics.intervals import percentile_interval, resampling_weights, wilson


@pytest.mark.parametrize(
    ("num_correct", "num_questions", "low", "high"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998), table I.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_gives_published_values(num_correct, num_questions, low, high):
    assert wilson(num_correct, num_questions) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("num_correct", "num_questions"), [(1, 3), (57, 60), (499, 1000)])
def test_the_ends_are_shares_that_the_observed_one_just_does_not_refute(num_correct, num_questions):
    for end in wilson(num_correct, num_questions):
        deviation = (end * (1 - end) / num_questions) ** 0.5
        assert abs(num_correct / num_questions - end) / deviation == pytest.approx(1.959964)


@pytest.mark.parametrize(("num_correct", "num_questions"), [(0, 0), (3, 2), (-1, 2)])
def test_no_share_is_an_error(num_correct, num_questions):
    with pytest.raises(ValueError, match="no share"):
        wilson(num_correct, num_questions)


def test_each_resample_has_as_many_clusters_as_there_are():
    weights = resampling_weights(7, seed=1)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == resampling_weights(7, seed=1)).all()
    assert (weights != resampling_weights(7, seed=2)).any()


def test_the_bootstrap_of_a_mean_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = percentile_interval(resampling_weights(400, seed=0) @ values / 400)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_resamples_without_a_value_do_not_count():
    values = np.array([np.nan, *np.linspace(0, 1, 41)])
    assert percentile_interval(values) == pytest.approx((0.025, 0.975))
