"""Ray Serve's router for model deployments: requests about one image go to one replica."""

import random
from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from palo.serve.placing import ranked
from palo.serve.protocol.generate import GenerateRequest


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
        return [[by_name[name]] for name in ranked(list(by_name), loads, key, self._num_slots)]


def _key_of(pending: PendingRequest | None) -> str | None:
    asked = pending.args[0] if pending is not None and pending.args else None
    return asked.routing_key if isinstance(asked, GenerateRequest) else None
