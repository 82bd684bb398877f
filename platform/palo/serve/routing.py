"""Routes requests about one image to the replica that holds it, unless that one is overloaded."""

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from palo.serve.protocol.generate import GenerateRequest

_SLACK = 1.25


def rank_replicas(
    replicas: Sequence[str], loads: Mapping[str, int], key: str, num_slots: int
) -> list[str]:
    """Orders replicas for a request by rendezvous hashing with bounded loads.

    Each key has its own order of replicas, the same in every process; a replica that is added or
    removed moves only its own keys. A replica with a free slot takes the requests of its keys. One
    without, whose load is over 1.25 times the mean, leaves a request to the next replica of the
    key's order, which then holds the image too.

    Args:
        replicas: Names of all replicas.
        loads: Current requests of each replica; 0 for those that aren't named.
        key: Requests of an equal key belong together.
        num_slots: Requests that a replica answers at once.

    Returns:
        All replicas, best first.
    """
    order = sorted(replicas, key=lambda name: _weight(key, name), reverse=True)
    total = sum(loads.get(name, 0) for name in order) + 1
    share = math.ceil(_SLACK * total / max(1, len(order)))
    most = max(num_slots, share)
    fitting = [name for name in order if loads.get(name, 0) < most]
    return fitting + [name for name in order if name not in fitting]


def _weight(key: str, name: str) -> bytes:
    return hashlib.sha256(f"{key}\n{name}".encode()).digest()


class ImageRouter(RequestRouter):
    """Ray Serve's router of model deployments: by image, or the less busy one of two replicas."""

    def initialize_state(self, num_slots: int = 1, **kwargs: Any) -> None:  # noqa: ANN401
        """Receives the arguments of the deployment's configuration.

        Args:
            num_slots: Requests that a replica answers at once.
            **kwargs: Arguments that later versions of Ray Serve may add.
        """
        super().initialize_state(**kwargs)
        self._num_slots = num_slots

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """Ranks replicas for a request; see `RequestRouter`.

        Args:
            candidate_replicas: All running replicas.
            pending_request: The request; None while Ray Serve only probes replicas.

        Returns:
            The replicas to try, best first.
        """
        if pending_request is not None:
            # Without a back-off Ray Serve retries in a busy loop where all replicas are full.
            pending_request.routing_context.should_backoff = True
        key = _key_of(pending_request)
        if key is None:
            return [random.sample(candidate_replicas, min(2, len(candidate_replicas)))]
        by_name = {replica.replica_id.unique_id: replica for replica in candidate_replicas}
        lengths = self.replica_queue_len_cache
        loads = {name: lengths.get(each.replica_id) or 0 for name, each in by_name.items()}
        return [
            [by_name[name]] for name in rank_replicas(list(by_name), loads, key, self._num_slots)
        ]


def _key_of(pending: PendingRequest | None) -> str | None:
    request = pending.args[0] if pending is not None and pending.args else None
    return request.routing_key if isinstance(request, GenerateRequest) else None
