import math

import pytest

from palo.train.loop import learning_rate_scale


def test_it_rises_to_the_peak_and_falls_to_nearly_nothing():
    scales = [learning_rate_scale(step, 100, 0.1) for step in range(100)]
    assert scales[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert scales[10] == 1
    assert scales[10:] == sorted(scales[10:], reverse=True)
    assert scales[55] == pytest.approx(0.5)
    assert 0 < scales[99] < 0.001


def test_without_warm_up_it_starts_at_the_peak():
    assert learning_rate_scale(0, 10, 0.0) == 1
    assert learning_rate_scale(5, 10, 0.0) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))


def test_one_step_has_the_full_rate():
    assert learning_rate_scale(0, 1, 0.03) == 1
