"""The number of replicas that a load gets, as Ray Serve computes it."""

from types import SimpleNamespace

import pytest
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from palo import config
from palo.errors import ConfigError
from palo.serve.application import _autoscaling
from palo.serve.scaling import WithSpares
from palo.serve.settings import ModelSource, ScaleSettings, ServeSettings


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


@pytest.mark.parametrize(("num_spares", "most"), [(0, 3), (2, 5)])
def test_spares_come_on_top_of_the_most_replicas(tmp_path, num_spares, most):
    settings = ServeSettings(
        models=(ModelSource(name="palo", folder=tmp_path),),
        scale=ScaleSettings(min_replicas=1, max_replicas=3, num_spares=num_spares),
    )
    autoscaling = _autoscaling(settings)
    assert (autoscaling.min_replicas, autoscaling.max_replicas) == (1, most)
    assert autoscaling.policy.is_default_policy_function() == (num_spares == 0)


def test_spares_are_never_fewer_than_none():
    with pytest.raises(ConfigError, match="num_spares is -1"):
        config.check(ScaleSettings(num_spares=-1))
