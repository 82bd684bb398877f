"""Signs of life in the key-value store of a cluster's head, which every worker reaches anyway."""

import json
from dataclasses import asdict
from typing import Any

from palo.train.activity import Activity
from palo.train.pulse import Heartbeat, Pulse, stall_times

_NAMESPACE = b"palo-pulses"
_TIMEOUT_S = 2.0


class RayBoard:
    """A Board of one attempt of a stage. Ray must be running, on each side.

    While the head is away nothing is told and nothing is found: the next sign makes up for it.

    Args:
        name: A name that no other attempt has.
    """

    def __init__(self, name: str) -> None:
        self._prefix = f"{name}/".encode()

    def write(self, pulse: Pulse) -> None:
        """See Board.write.

        Args:
            pulse: The sign.
        """
        from ray.exceptions import RayError

        key = self._prefix + str(pulse.rank).encode()
        value = json.dumps(asdict(pulse)).encode()
        try:
            _head().internal_kv_put(key, value, True, _NAMESPACE, timeout=_TIMEOUT_S)
        except RayError:  # whoever reads finds that this worker tells nothing
            return

    def read(self) -> list[Pulse]:
        """See Board.read."""
        from ray.exceptions import RayError

        try:
            keys = _head().internal_kv_keys(self._prefix, _NAMESPACE, timeout=_TIMEOUT_S)
            found = _head().internal_kv_multi_get(keys, _NAMESPACE, timeout=_TIMEOUT_S)
        except RayError:
            return []  # all workers seem silent then
        return [Pulse(**json.loads(value)) for value in found.values()]

    def clear(self) -> None:
        """Removes all signs."""
        from ray.exceptions import RayError

        try:
            _head().internal_kv_del(self._prefix, True, _NAMESPACE, timeout=_TIMEOUT_S)
        except RayError:  # they are small, and gone with the head
            return


def own_heartbeat(name: str, activity: Activity, stall_s: float) -> Heartbeat:
    """Returns what tells the signs of life of this process, which is a worker of Ray Train.

    Args:
        name: Name of the attempt's board.
        activity: What this worker does.
        stall_s: How long a worker waits for the others, in seconds.
    """
    from ray import train, util

    rank = train.get_context().get_world_rank()
    node = util.get_node_ip_address()
    return Heartbeat(RayBoard(name), rank, node, activity, stall_times(stall_s))


def _head() -> Any:  # noqa: ANN401 - Ray ships no types
    """Returns the client of the head's store; Ray's own functions around it know no time limit."""
    from ray.experimental.internal_kv import internal_kv_get_gcs_client

    return internal_kv_get_gcs_client()
