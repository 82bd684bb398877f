"""Whether replicas of a model run, as Ray Serve's controller knows it."""

import asyncio
import logging
from collections.abc import Mapping

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ServeStatus

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_TIMEOUT_S = 5.0


class ServeWatch:
    """Asks the controller, at most once a second for all requests that wait.

    Args:
        deployments: Name of each model's deployment, by name of the model.
    """

    def __init__(self, deployments: Mapping[str, str]) -> None:
        self._deployments = deployments
        self._running = set(deployments.values())
        self._looked_s = float("-inf")
        self._looking = asyncio.Lock()

    async def is_served(self, model: str) -> bool:
        """Whether a replica of a model runs, busy or not.

        While the controller doesn't answer, it is what the controller has said last.

        Args:
            model: Name of the model.
        """
        async with self._looking:
            if asyncio.get_running_loop().time() - self._looked_s >= _LOOK_EVERY_S:
                await self._look()
        deployment = self._deployments.get(model)
        # One without a deployment is served elsewhere, and says itself whether it is there.
        return deployment is None or deployment in self._running

    async def _look(self) -> None:
        try:
            status = await asyncio.wait_for(asyncio.to_thread(serve.status), _TIMEOUT_S)
        except (RayError, RayServeException, TimeoutError) as error:
            _LOG.warning("Ray Serve's controller doesn't answer: %s", error)
        else:
            self._running = running_deployments(status)
        self._looked_s = asyncio.get_running_loop().time()


def running_deployments(status: ServeStatus) -> set[str]:
    """Returns the names of deployments with a replica that runs.

    Args:
        status: As `serve.status` returns it.
    """
    return {
        name
        for application in status.applications.values()
        for name, deployment in application.deployments.items()
        if deployment.replica_states.get("RUNNING", 0)
    }
