"""Starting a Ray Serve application from a command line."""

import logging
from typing import TYPE_CHECKING

from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from palo.errors import ResourceError

if TYPE_CHECKING:
    from ray.serve import Application


def run_application(built: "Application", host: str, port: int) -> None:
    """Runs an application at `/` and returns when every replica of it is warm.

    Args:
        built: The application.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        ResourceError: If a replica can't start.
    """
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(
        http_options=HTTPOptions(host=host, port=port),
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
    )
    try:
        serve.run(built, name="palo", route_prefix="/")
    except RuntimeError as error:
        raise ResourceError(
            "the endpoint didn't start",
            seen=" ".join(str(error).split())[-300:],
            fix="Give it a smaller model, or more memory and cores.",
        ) from error
