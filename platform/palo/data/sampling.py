"""How often an epoch sees the samples of each language, where not all are seen once.

An epoch keeps its length; a scarce language is seen more than once in it, an abundant one in turns.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageSampling:
    """How many samples of each group an epoch takes.

    Attributes:
        groups: (samples,) group of each sample.
        counts: Samples that an epoch takes of each group, by its number; of others none.
    """

    groups: npt.NDArray[np.int64]
    counts: Mapping[int, int]


def counts_at(sizes: Mapping[int, int], temperature: float) -> dict[int, int]:
    """Returns how many samples of each group an epoch takes at a temperature.

    Args:
        sizes: Samples of each group, by its number.
        temperature: A group of n samples gets a weight of n ** (1 / temperature).

    Returns:
        As many in all as there are samples, at least one of each group.

    Source: Devlin, Multilingual BERT, 2018 (exponentially smoothed weighting); Arivazhagan et al.,
    arXiv 1907.05019 (temperature).
    """
    total = sum(sizes.values())
    weights = {group: size ** (1 / temperature) for group, size in sizes.items()}
    scale = total / sum(weights.values())
    exact = {group: weight * scale for group, weight in weights.items()}
    counts = {group: max(1, int(value)) for group, value in exact.items()}
    by_rest = sorted(exact, key=lambda group: (int(exact[group]) - exact[group], group))
    for group in by_rest[: max(0, total - sum(counts.values()))]:
        counts[group] += 1
    return counts


def drawn(
    sampling: LanguageSampling, used: npt.NDArray[np.int64], epoch: int, name: str
) -> npt.NDArray[np.int64]:
    """Returns the samples of an epoch, group by group.

    Each group is gone through again and again, in a new order each time; an epoch goes on where the
    one before it ended. So all samples of a group are seen equally often, give or take one.

    Args:
        sampling: How many of each group.
        used: Numbers of the samples that may be taken, ascending.
        epoch: The epoch, from 0.
        name: Names corpus and seed: equal names give equal orders.

    Returns:
        (sum of the counts,) numbers of samples; one may come several times.
    """
    parts = []
    for group, count in sorted(sampling.counts.items()):
        members = used[sampling.groups[used] == group]
        first, last = epoch * count, (epoch + 1) * count
        begun = first // len(members)
        turns = range(begun, -(-last // len(members)))
        stream = np.concatenate([shuffled(members, f"{name}/{group}/{turn}") for turn in turns])
        parts.append(stream[first - begun * len(members) :][:count])
    return np.concatenate(parts)


def shuffled(values: npt.NDArray[np.int64], name: str) -> npt.NDArray[np.int64]:
    """Returns values in an order that depends on a name alone.

    Args:
        values: Any values.
        name: What the order depends on.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")
    # Sorting raw bits, because NumPy promises the same raw bits in every version but not the same
    # permutation.
    keys = np.random.PCG64(seed).random_raw(len(values))
    return values[np.argsort(keys, kind="stable")]
