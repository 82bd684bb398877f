"""Which replica answers: the one that holds the image, unless it has far more to do than others."""

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

    Each key has an order of replicas of its own, the same in every process; a replica that comes
    or goes moves only its own keys. A replica that has a free slot takes what is its own. One that
    has none passes a request on if it has a quarter more than its share of all requests, to the
    next of that key's order, which then holds the image too.

    Args:
        replicas: Names of all replicas.
        loads: Requests that each has now; one that isn't named has none.
        key: What should stay together.
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
    """Chooses the replica that holds a request's image; else the less busy one of two."""

    def initialize_state(self, num_slots: int = 1, **kwargs: Any) -> None:  # noqa: ANN401
        """Takes the arguments of the deployment's configuration.

        Args:
            num_slots: Requests that a replica answers at once.
            **kwargs: What later versions of Ray Serve may add.
        """
        super().initialize_state(**kwargs)
        self._num_slots = num_slots

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """Returns the replicas to try, best first; see `RequestRouter`."""
        if pending_request is not None:
            # Else Ray Serve asks again without a pause where all replicas are full.
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
    asked = pending.args[0] if pending is not None and pending.args else None
    return asked.routing_key if isinstance(asked, GenerateRequest) else None
