"""The Ray Serve application: an ingress, and a deployment for each base model."""

import gc
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig
from ray.serve.handle import DeploymentHandle

from palo import config
from palo.checkpoint.lineage_id import lineage_id
from palo.observability.logs import RequestLog, start_logging
from palo.security.access import Access
from palo.security.rate_limiter import RateLimiter
from palo.serve.chat_handler import ChatHandler
from palo.serve.grouping import group_by_base
from palo.serve.image_reader import ImageReader
from palo.serve.ingress import IngressSettings, build_app
from palo.serve.protocol.conversation import load_language_detector
from palo.serve.replica import ModelReplica
from palo.serve.replica_client import ReplicaCall, ReplicaClient
from palo.serve.replica_watch import ServeWatch
from palo.serve.routing import ImageRouter
from palo.serve.settings import ModelSource, ServeSettings
from palo.session import worker_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application

_SWITCH_S = 0.0005
_HEALTH_EVERY_S = 2.0
_HEALTH_TIMEOUT_S = 30.0


class Ingress:
    """The deployment that serves HTTP requests and sends them to the model deployments.

    Args:
        settings: Settings of the endpoint.
        handles: Handles of the model deployments, by name.
        deployments: Name of each model's deployment, by name of the model.
        lineages: Id of each model's lineage, by name of the model.
    """

    def __init__(
        self,
        settings: ServeSettings,
        handles: Mapping[str, DeploymentHandle],
        deployments: Mapping[str, str],
        lineages: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._lineages = lineages
        self._deployments = deployments
        self._calls = {model: _call(handles[name]) for model, name in deployments.items()}

    def __serve_build_asgi_app__(self) -> "FastAPI":
        """Returns the web application; called by Ray Serve."""
        settings = self._settings
        # A thread that reads a large request yields to the event loop after this time.
        sys.setswitchinterval(_SWITCH_S)
        handler = ChatHandler(
            tuple(self._calls),
            ReplicaClient(
                self._calls,
                settings.timeout_s,
                watch=ServeWatch(self._deployments),
                restart_wait_s=settings.restart_wait_s,
            ),
            bounds=settings.bounds,
            access=Access(settings.access),
            rate_limiter=RateLimiter(settings.access.num_ingresses),
            images=ImageReader(settings.replica.images),
            bodies=settings.bodies,
            log=RequestLog(with_contents=settings.log_contents),
            max_requests=settings.max_requests,
        )
        start_logging()
        load_language_detector()
        middleware = IngressSettings(
            bodies=settings.bodies,
            behind_proxy=True,
            proxy=settings.access.proxy,
            page_path=settings.page_path,
            lineages=self._lineages,
        )
        app = build_app(handler, middleware)
        # Objects loaded by now stay; otherwise each full collection would traverse all of them
        # while every request waits.
        gc.collect()
        gc.freeze()
        return app


def _call(handle: DeploymentHandle) -> ReplicaCall:
    streaming = handle.options(stream=True, method_name="generate")
    return lambda request: streaming.remote(request)


def application(settings: ServeSettings) -> "Application":
    """Builds the application.

    Args:
        settings: Settings of the endpoint.

    Raises:
        ConfigError: If a setting is out of range, or two models have the same name.
        DataError: If a folder holds no finished stage.
        StorageError: If weights can't be read.
    """
    config.check(settings)
    bound: dict[str, Application] = {}
    deployments: dict[str, str] = {}
    groups = group_by_base(settings.models)
    if settings.replica.backend == "vllm":  # it runs merged weights only
        groups = [(source,) for group in groups for source in group]
    for group in groups:
        name = f"model-{group[0].name}"
        bound[name] = _model_deployment(name, group, settings)
        deployments |= {source.name: name for source in group}
    options = {
        "name": "ingress",
        "num_replicas": settings.access.num_ingresses,
        # Requests other than completions are not part of max_requests.
        "max_ongoing_requests": 2 * settings.max_requests,
        "graceful_shutdown_timeout_s": settings.scale.drain_s,
        "ray_actor_options": {"num_cpus": 0, "runtime_env": {"env_vars": worker_settings()}},
    }
    ingress = serve.deployment(serve.ingress()(Ingress), **options)
    # Not in the ingress, whose machine may not see the folders.
    lineages = {source.name: lineage_id(source.folder) for source in settings.models}
    return ingress.bind(settings, bound, deployments, lineages)


def _model_deployment(
    name: str, group: tuple[ModelSource, ...], settings: ServeSettings
) -> "Application":
    scale, replica = settings.scale, settings.replica
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
