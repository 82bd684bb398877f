"""The Ray Serve application: an ingress, and a deployment for each base model."""

import gc
import sys
from collections import ChainMap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from palo import config
from palo.checkpoint.lineage_id import lineage_id
from palo.errors import ResourceError
from palo.observability.logs import RequestLog, start_logging
from palo.security.access import Access
from palo.security.rate_limiter import RateLimiter
from palo.serve.chat_handler import ChatHandler
from palo.serve.grouping import group_by_base
from palo.serve.image_reader import ImageReader
from palo.serve.ingress import IngressSettings, build_app
from palo.serve.model_deployment import model_deployment
from palo.serve.model_keeper import ModelKeeper
from palo.serve.model_table import ModelTable, TableFollower
from palo.serve.protocol.conversation import load_language_detector
from palo.serve.replica_client import ReplicaCall, ReplicaClient
from palo.serve.replica_watch import ServeWatch
from palo.serve.served_runs import TRAIN_COMMAND, ServedRuns
from palo.serve.settings import ServeSettings
from palo.serve.upstream import upstream_calls
from palo.session import worker_settings
from palo.sharing import check_here

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application

_SWITCH_S = 0.0005
# Where Ray Serve's proxy is that people reach, and a node that no idle endpoint keeps up.
_ON_THE_HEAD = {"node:__internal_head__": 0.001}
# Each ingress has one question to it open, all the time.
_KEEPER_ONGOING = 100
_KEEPER_DRAIN_S = 20.0


class Ingress:
    """The deployment that serves HTTP requests and sends them to the model deployments.

    Args:
        settings: Settings of the endpoint.
        handles: Handles of the model deployments, by name.
        deployments: Name of each model's deployment, by name of the model.
        lineages: Id of each model's lineage, by name of the model.
        keeper: Handle of the keeper of models, if there is one; it names all of these.
    """

    def __init__(
        self,
        settings: ServeSettings,
        handles: Mapping[str, DeploymentHandle],
        deployments: Mapping[str, str],
        lineages: Mapping[str, str],
        keeper: DeploymentHandle | None = None,
    ) -> None:
        self._settings = settings
        self._table = ModelTable(
            calls={model: _call(handles[name]) for model, name in deployments.items()},
            deployments=dict(deployments),
            lineages=dict(lineages),
        )
        self._follower = _follower(self._table, keeper) if keeper is not None else None

    async def __serve_build_asgi_app__(self) -> "FastAPI":
        """Returns the web application; called by Ray Serve."""
        settings, table = self._settings, self._table
        check_here()
        if self._follower is not None:
            await self._follower.start()
        # A thread that reads a large request yields to the event loop after this time.
        sys.setswitchinterval(_SWITCH_S)
        calls = ChainMap(table.calls, upstream_calls(settings.upstreams))
        handler = ChatHandler(
            calls.keys(),
            ReplicaClient(
                calls,
                settings.timeout_s,
                watch=ServeWatch(table.deployments),
                restart_wait_s=settings.restart_wait_s,
            ),
            bounds=settings.bounds,
            access=Access(settings.access),
            rate_limiter=RateLimiter(settings.access.num_ingresses),
            images=ImageReader(settings.replica.images),
            bodies=settings.bodies,
            log=RequestLog(with_contents=settings.log_contents),
            max_requests=settings.max_requests,
            train_command=TRAIN_COMMAND,
        )
        start_logging()
        load_language_detector()
        middleware = IngressSettings(
            bodies=settings.bodies,
            behind_proxy=True,
            proxy=settings.access.proxy,
            page_path=settings.page_path,
            lineages=table.lineages,
            status=(lambda: table.state.body()) if self._follower is not None else None,
        )
        app = build_app(handler, middleware)
        # Objects loaded by now stay; otherwise each full collection would traverse all of them
        # while every request waits.
        gc.collect()
        gc.freeze()
        return app

    def check_health(self) -> None:
        """Checks what keeps its models up to date; Ray Serve replaces an ingress that fails.

        Raises:
            ResourceError: If that has ended.
        """
        if self._follower is not None and not self._follower.is_running:
            raise ResourceError("this ingress hears of no new models", fix="Start another.")


def _call(handle: DeploymentHandle) -> ReplicaCall:
    streaming = handle.options(stream=True, method_name="generate")
    return lambda request: streaming.remote(request)


def _follower(table: ModelTable, keeper: DeploymentHandle) -> TableFollower:
    async def ask(known: str) -> ServedRuns:
        told: ServedRuns = await keeper.served.remote(known)
        return told

    return TableFollower(table, ask, lambda app: _call(serve.get_deployment_handle(app, app)))


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
    options = {
        "name": "ingress",
        "num_replicas": settings.access.num_ingresses,
        # Requests other than completions are not part of max_requests.
        "max_ongoing_requests": 2 * settings.max_requests,
        "graceful_shutdown_timeout_s": settings.scale.drain_s,
        "ray_actor_options": _actor_options(
            on_the_head=settings.follow is not None and settings.access.num_ingresses == 1
        ),
    }
    ingress = serve.deployment(serve.ingress()(Ingress), **options)
    if settings.follow is not None:
        return ingress.bind(settings, {}, {}, {}, _keeper(settings))
    bound: dict[str, Application] = {}
    deployments: dict[str, str] = {}
    groups = group_by_base(settings.models)
    if settings.replica.backend == "vllm":  # it runs merged weights only
        groups = [(source,) for group in groups for source in group]
    for group in groups:
        name = f"model-{group[0].name}"
        bound[name] = model_deployment(name, group, settings)
        deployments |= {source.name: name for source in group}
    # Not in the ingress, whose machine may not see the folders.
    lineages = {source.name: lineage_id(source.folder) for source in settings.models}
    return ingress.bind(settings, bound, deployments, lineages)


def _keeper(settings: ServeSettings) -> "Application":
    deployment = serve.deployment(
        ModelKeeper,
        name="models",
        num_replicas=1,
        max_ongoing_requests=_KEEPER_ONGOING,
        graceful_shutdown_timeout_s=_KEEPER_DRAIN_S,
        graceful_shutdown_wait_loop_s=0.5,
        ray_actor_options=_actor_options(on_the_head=True),
    )
    return deployment.bind(settings)


def _actor_options(*, on_the_head: bool) -> dict[str, Any]:
    """Returns the options of a deployment that computes nothing, and so reserves no CPU."""
    placed = {"resources": _ON_THE_HEAD} if on_the_head else {}
    return {"num_cpus": 0, **placed, "runtime_env": {"env_vars": worker_settings()}}
