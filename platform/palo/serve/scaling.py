"""How many replicas run: as many as the load needs, and spares for those that are lost."""

import math
from typing import Any

from ray.serve.config import AutoscalingContext


class WithSpares:
    """Ray Serve's autoscaling policy: what the load needs, and spares beside it.

    Spares are replicas like all others. Where one is lost, those that are left take its requests
    at once, instead of waiting for a process that loads the model.

    Args:
        num_spares: Replicas beyond those that the load needs.
    """

    def __init__(self, num_spares: int) -> None:
        self._num_spares = num_spares

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """Returns the wanted number of replicas, and no state.

        Ray Serve applies its delays and the most replicas of the deployment. It has no delay for
        the first replicas, which spares would only make slower.

        Args:
            context: The deployment's replicas and its load.
        """
        each = context.config.get_target_ongoing_requests()
        needed = math.ceil(context.total_num_requests / each)
        num_spares = self._num_spares if context.current_num_replicas else 0
        return max(context.capacity_adjusted_min_replicas, needed) + num_spares, {}
