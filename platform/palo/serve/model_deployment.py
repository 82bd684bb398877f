"""The Ray Serve deployment of models that share one base."""

from typing import TYPE_CHECKING

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig

from palo.serve.replica import ModelReplica
from palo.serve.routing import ImageRouter
from palo.serve.settings import ModelSource, ServeSettings
from palo.session import worker_settings

if TYPE_CHECKING:
    from ray.serve import Application

_HEALTH_EVERY_S = 2.0
_HEALTH_TIMEOUT_S = 30.0


def model_deployment(
    name: str, group: tuple[ModelSource, ...], settings: ServeSettings
) -> "Application":
    """Returns the deployment of models.

    Args:
        name: Name of the deployment.
        group: The models, one of the groups of `palo.serve.grouping.group_by_base`.
        settings: Settings of the endpoint.
    """
    scale, replica = settings.scale, settings.replica
    labels = {"label_selector": dict(scale.node_labels)} if scale.node_labels else {}
    deployment = serve.deployment(
        ModelReplica,
        name=name,
        max_ongoing_requests=replica.capacity,
        max_queued_requests=scale.max_queued,
        graceful_shutdown_timeout_s=scale.drain_s,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=_HEALTH_EVERY_S,
        health_check_timeout_s=_HEALTH_TIMEOUT_S,
        ray_actor_options={
            "num_cpus": scale.num_cpus,
            "num_gpus": scale.num_gpus,
            **labels,
            "runtime_env": {
                "env_vars": worker_settings() | {"OMP_NUM_THREADS": str(replica.num_threads)}
            },
        },
        autoscaling_config=_autoscaling(settings),
        request_router_config=_router(settings),
    )
    return deployment.bind(group, replica, owns_process=True)


def _autoscaling(settings: ServeSettings) -> AutoscalingConfig:
    scale = settings.scale
    policy = AutoscalingPolicy()
    if scale.num_spares:
        policy = AutoscalingPolicy(
            policy_function="palo.serve.scaling:WithSpares",
            policy_kwargs={"num_spares": scale.num_spares},
        )
    return AutoscalingConfig(
        min_replicas=scale.min_replicas,
        max_replicas=scale.max_replicas + scale.num_spares,
        target_ongoing_requests=settings.replica.engine.num_slots,
        downscale_delay_s=scale.idle_s,
        policy=policy,
    )


def _router(settings: ServeSettings) -> RequestRouterConfig:
    if not settings.scale.by_image:
        return RequestRouterConfig()
    return RequestRouterConfig(
        request_router_class=ImageRouter,
        request_router_kwargs={"num_slots": settings.replica.engine.num_slots},
    )
