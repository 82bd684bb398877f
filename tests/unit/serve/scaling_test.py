"""The number of replicas that a load gets, as Ray Serve computes it."""

import pytest
from ray.serve._private.autoscaling_state import _resolve_policy_callable
from ray.serve._private.common import DeploymentID
from ray.serve.autoscaling_policy import _apply_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from palo import config
from palo.errors import ConfigError
from palo.serve.model_deployment import _autoscaling
from palo.serve.scaling import WithSpares
from palo.serve.settings import ModelSource, ScaleSettings, ServeSettings


def context(num_requests, num_replicas=1, **config):
    """What Ray Serve tells a policy of a deployment, with one replica by default."""
    sizes = {"min_replicas": 1, "max_replicas": 9, "target_ongoing_requests": 8}
    return AutoscalingContext(
        deployment_id=DeploymentID("model-palo", "palo"),
        deployment_name="model-palo",
        app_name="palo",
        current_num_replicas=num_replicas,
        target_num_replicas=1,
        running_replicas=[],
        total_num_requests=num_requests,
        total_queued_requests=0,
        aggregated_metrics={},
        raw_metrics={},
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=9,
        policy_state={},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=0.0,
        config=AutoscalingConfig(**sizes | config),
    )


@pytest.mark.parametrize(
    ("num_requests", "num_spares", "wanted"),
    [(0, 0, 1), (0, 1, 2), (8, 1, 2), (9, 1, 3), (40, 2, 7)],
)
def test_a_load_gets_what_it_needs_and_spares(num_requests, num_spares, wanted):
    assert WithSpares(num_spares)(context(num_requests)) == (wanted, {})


def test_spares_come_after_the_first_replicas():
    assert WithSpares(1)(context(0, num_replicas=0)) == (1, {})


def test_the_policy_travels_to_ray_serves_controller():
    policy = AutoscalingPolicy(
        policy_function="palo.serve.scaling:WithSpares", policy_kwargs={"num_spares": 1}
    )
    received = _apply_autoscaling_config(_resolve_policy_callable(policy))
    assert received(context(9, upscale_delay_s=0))[0] == 3
    assert received(context(9))[0] == 1, "spares come after the delay, beside no first question"


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
