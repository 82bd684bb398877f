"""Settings of the training drill."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FAULTS = (
    "worker-killed",
    "driver-killed",
    "driver-terminated",
    "checkpoint-damaged",
    "disk-full",
    "store-away",
    "node-lost",
    "node-preempted",
)
"""What the drill does to a run."""
STORES = ("disk", "s3")
"""Where run folders lie."""
_ONLY_ON = {"disk-full": "disk", "store-away": "s3", "node-lost": "disk", "node-preempted": "disk"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainDrill:
    """Settings of the drill: runs that are hurt, each compared with one that nothing happened to.

    Attributes:
        output: Folder of the result file; the repository's own by default, for all faults only.
        only: What is done to runs; each has runs of its own.
        stores: Where the run folders lie: disk, s3 or both. Some faults concern one of them.
        repeats: Runs of each fault and store, hurt at other steps.
        steps: Optimizer steps of a run.
        checkpoint_every: Steps between checkpoints.
        away_s: How long the store is away, in seconds.
        timeout_s: How long a run may wait for anything, in seconds.
        seed: Seed of the steps at which runs are hurt.
    """

    output: Path | None = None
    only: tuple[str, ...] = FAULTS
    stores: tuple[str, ...] = STORES
    repeats: int = 1
    steps: int = 24
    checkpoint_every: int = 4
    away_s: float = 10.0
    timeout_s: float = 300.0
    seed: int = 0

    def faults_and_stores(self) -> Iterator[tuple[str, str]]:
        """Yields each fault with each store that it concerns."""
        for fault in self.only:
            for store in self.stores:
                if _ONLY_ON.get(fault, store) == store:
                    yield fault, store

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        yield from (f"there is no fault {one!r}" for one in self.only if one not in FAULTS)
        yield from (
            f"there is no store {one!r}" for one in self.stores if one not in ("disk", "s3")
        )
        if self.repeats < 1:
            yield f"repeats is {self.repeats} but must be at least 1"
        if self.steps < 3 * self.checkpoint_every:
            yield f"steps is {self.steps}, too few for three checkpoints"
        if self.output is None and (self.only != FAULTS or self.stores != STORES):
            yield "a part of the drill makes no result to keep: name another output folder"
