"""Notices that a node of the cluster will be taken away: read by workers, which save in time."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ray.train.v2.api.preemption import PreemptionInfo


class Notices(Protocol):
    """Tells whether a node will be taken away."""

    def __call__(self) -> bool:
        """Returns True from the first notice on."""


def no_notice() -> bool:
    """Returns False: without Ray there are no notices."""
    return False


def ray_notice() -> bool:
    """Returns whether Ray has told this worker that one of the stage's nodes will be taken away.

    Ray Train's watcher asks the cluster every five seconds which nodes are drained and tells every
    worker. Its public `get_preemption_info` has all workers meet in an actor at every call; the
    loop joins the workers' wishes once a step anyway, so that each reads its own notice alone.
    """
    from ray.train.v2._internal.execution.context import get_train_context

    info: PreemptionInfo | None = get_train_context().preemption_context.preemption_info
    return info is not None
