"""The chat page as a Ray Serve application of its own, in a process of its own.

A visitor who blocks the page's event loop stalls the page alone, and a page that fails leaves the
endpoint running. The page's process loads no other module of the server.
"""

from typing import TYPE_CHECKING

from ray import serve

from palo import config
from palo.machine import lower_priority
from palo.observability.boundary import Boundary
from palo.observability.logs import start_logging
from palo.security.access import LoopbackOnly
from palo.serve.chat_page.settings import PageSettings
from palo.session import worker_settings
from palo.sharing import check_here

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application

# Streams are open for as long as the page is; the page's own quotas are reached sooner.
_MAX_ONGOING = 2000
_MAX_QUEUED = 100
_DRAIN_S = 10.0
# Below the replicas, which the visitors of the page must not delay.
_NICENESS = 10


class PageServer:
    """The deployment of the chat page.

    Args:
        settings: Settings of the page.
    """

    def __init__(self, settings: PageSettings) -> None:
        self._settings = settings

    def __serve_build_asgi_app__(self) -> "FastAPI":
        """Returns the web application; called by Ray Serve."""
        from palo.serve.chat_page.mount import (
            page_app,  # only here: Gradio takes seconds and memory
        )

        lower_priority(_NICENESS)
        start_logging()
        check_here()
        app = page_app(self._settings)
        if not self._settings.login:
            app.add_middleware(LoopbackOnly)
        app.add_middleware(Boundary, behind_proxy=True)
        return app


def page_application(settings: PageSettings) -> "Application":
    """Builds the application of the chat page.

    It has one replica, which holds the login sessions, and runs on the head node beside Ray Serve's
    proxy, through which it reaches the endpoint on loopback. Like the endpoint's ingress it
    reserves no CPU, since a head node may offer none.

    Args:
        settings: Settings of the page.

    Raises:
        ConfigError: If a setting is out of range.
    """
    config.check(settings)
    deployment = serve.deployment(
        serve.ingress()(PageServer),
        name="page",
        num_replicas=1,
        max_ongoing_requests=_MAX_ONGOING,
        max_queued_requests=_MAX_QUEUED,
        graceful_shutdown_timeout_s=_DRAIN_S,
        ray_actor_options={
            "num_cpus": 0,
            "resources": {"node:__internal_head__": 0.001},
            # One glibc arena a thread would double its memory.
            "runtime_env": {
                "env_vars": worker_settings() | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}
            },
        },
    )
    return deployment.bind(settings)
