"""Starts and ends the Ray Serve applications, for command lines."""

import logging
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import ray
from ray import serve
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve.config import HTTPOptions
from ray.serve.schema import ApplicationStatusOverview, LoggingConfig

from palo.errors import ResourceError

if TYPE_CHECKING:
    from ray.serve import Application


_NUM_TRIES = 5
_LOOK_EVERY_S = 0.1
_ENDPOINT = "palo"
_PAGE = "page"
PAGE_PATH = "/chat/"
"""Path of the chat page on the endpoint's address."""
# The last line of an error of palo in the trace that Ray Serve keeps of a replica.
_OWN_ERROR = re.compile(r"^palo\.errors\.\w+: (.+)$", re.MULTILINE)


def run_application(built: "Application", host: str, port: int) -> None:
    """Runs the endpoint at `/` and returns when every replica of it is warm.

    Args:
        built: The application.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        ResourceError: If a replica can't start.
    """
    start_proxy(host, port)
    try:
        _patiently(lambda: serve.run(built, name=_ENDPOINT, route_prefix="/"))
    except RuntimeError as error:
        raise ResourceError(
            "the endpoint didn't start",
            seen=_why_not(_ENDPOINT, error),
            fix="If nothing else is named, give it a smaller model, or more memory and cores.",
        ) from error


def run_page(built: "Application") -> None:
    """Runs the chat page at its path, beside an endpoint that runs.

    Args:
        built: The application.

    Raises:
        ResourceError: If it can't start; the endpoint keeps running.
    """
    try:
        _patiently(lambda: serve.run(built, name=_PAGE, route_prefix=PAGE_PATH.rstrip("/")))
    except RuntimeError as error:
        seen = _why_not(_PAGE, error)
        serve.delete(_PAGE)
        raise ResourceError(
            "the chat page didn't start, the endpoint runs without it",
            seen=seen,
            fix="Start it alone to see more: python apps/chat_page.py --endpoint ADDRESS",
        ) from error


def end_applications(within_s: float) -> None:
    """Ends the page at once, and the endpoint when its answers are complete; then Ray Serve.

    Args:
        within_s: Seconds for answers that have begun. What isn't complete by then is cut off.
    """
    running = serve.status().applications
    for name in (_PAGE, _ENDPOINT):
        if name in running:
            serve.delete(name, _blocking=False)
    ends = time.monotonic() + within_s
    while _ENDPOINT in serve.status().applications and time.monotonic() < ends:
        time.sleep(_LOOK_EVERY_S)
    # `serve.shutdown` waits for the controller's death, and Ray reports that as a failed task.
    controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    ray.get(controller.graceful_shutdown.remote(wait=False))


def _why_not(name: str, error: RuntimeError) -> str:
    """Returns why a replica of an application didn't start: palo's own error, or Ray Serve's."""
    application = serve.status().applications.get(name)
    return own_error(application) or " ".join(str(error).split())[-300:]


def own_error(application: ApplicationStatusOverview | None) -> str:
    """Returns an error of palo's that kept a replica of an application from starting, or nothing.

    Args:
        application: As `serve.status` returns it; None if there is none.
    """
    for deployment in application.deployments.values() if application is not None else ():
        if found := _OWN_ERROR.search(deployment.message):
            return found[1].rstrip(".")
    return ""


def start_proxy(host: str, port: int) -> None:
    """Starts Ray Serve's HTTP proxy, unless it runs already.

    Args:
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        ResourceError: If it doesn't start.
    """
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    options = HTTPOptions(host=host, port=port)
    quiet = LoggingConfig(log_level="WARNING", enable_access_log=False)
    _patiently(lambda: serve.start(http_options=options, logging_config=quiet))


def _patiently(start: Callable[[], object]) -> None:
    """Retries timeouts of Ray Serve, which always waits a minute for its proxy.

    Each retry continues what the previous one has begun.

    Raises:
        ResourceError: If all retries time out.
    """
    for _ in range(_NUM_TRIES):
        try:
            start()
        except TimeoutError as error:
            slow = error
        else:
            return
    raise ResourceError(
        "Ray Serve doesn't answer",
        seen=str(slow),
        fix="Try again when the machine has less to do.",
    ) from slow
