"""Finding records that say the same about the same image in the same language.

Each record is known by 16 bytes, so that millions fit into memory; which of them stays depends on
their order in the sources alone.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from palo.text.messages import Turn

DIGEST_BYTES = 16

Pairs = npt.NDArray[np.int64]
"""(pairs, 2) rows: one that is left out, and the one that stays in its place."""


def digest_of(language: str, turns: Sequence[Turn]) -> bytes:
    """Returns DIGEST_BYTES that name a record's language and turns, whatever its image."""
    parts = [_measured(language)]
    for turn in turns:
        text = turn.text.encode()
        parts += (_speaker(turn.role, turn.num_images), len(text).to_bytes(8, "little"), text)
    return hashlib.blake2b(b"".join(parts), digest_size=DIGEST_BYTES).digest()


@lru_cache(maxsize=64)
def _speaker(role: str, num_images: int) -> bytes:
    return _measured(f"{role} {num_images}")


def _measured(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(8, "little") + data


def later_and_first(digests: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64]) -> Pairs:
    """Returns the rows, in order, that an earlier row equals, each with the first such row.

    Args:
        digests: (rows, 2) what tells each record from others.
        rows: Numbers of the rows that count, ascending.
    """
    own = digests[rows]
    order = np.lexsort((own[:, 1], own[:, 0]))  # stable: equal rows stay in their order
    ordered = own[order]
    starts = np.ones(len(order), bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    firsts = order[starts][np.cumsum(starts) - 1] if len(order) else order
    pairs = np.stack([rows[order[~starts]], rows[firsts[~starts]]], axis=1)
    return pairs[np.argsort(pairs[:, 0])]
