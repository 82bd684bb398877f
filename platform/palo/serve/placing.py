"""Which replica answers: the one that holds the image, unless it has far more to do than others."""

import hashlib
import math
from collections.abc import Mapping, Sequence

_SLACK = 1.25


def ranked(
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
