"""The number of replicas that a load gets, as Ray Serve computes it."""

from types import SimpleNamespace

import pytest
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from palo.serve.scaling import WithSpares


def context(num_requests):
    config = AutoscalingConfig(min_replicas=1, max_replicas=9, target_ongoing_requests=8)
    return SimpleNamespace(
        config=config, total_num_requests=num_requests, capacity_adjusted_min_replicas=1
    )


@pytest.mark.parametrize(
    ("num_requests", "num_spares", "wanted"),
    [(0, 0, 1), (0, 1, 2), (8, 1, 2), (9, 1, 3), (40, 2, 7)],
)
def test_a_load_gets_what_it_needs_and_spares(num_requests, num_spares, wanted):
    assert WithSpares(num_spares)(context(num_requests)) == (wanted, {})


def test_the_policy_travels_to_ray_serves_controller():
    policy = AutoscalingPolicy(
        policy_function="palo.serve.scaling:WithSpares", policy_kwargs={"num_spares": 1}
    )
    assert policy.get_policy()(**policy.policy_kwargs)(context(9)) == (3, {})
