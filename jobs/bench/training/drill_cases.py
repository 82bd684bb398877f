"""The drill's settings, and its list of runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PLAN = {
    "worker-killed": ("disk", "disk", "disk", "moto", "ceph"),
    "driver-killed": ("disk", "disk", "moto", "moto", "ceph"),
    "driver-terminated": ("disk", "moto", "ceph"),
    "checkpoint-damaged": ("disk", "moto", "ceph"),
    "resized": ("disk", "moto"),
    "disk-full": ("disk",),
    "scratch-full": ("moto", "ceph"),
    "store-away": ("moto", "ceph"),
    "store-stays-away": ("moto", "ceph"),
    "node-killed": ("disk", "moto"),
    "node-silent": ("moto",),
    "node-drained": ("disk", "moto"),
}
"""What is done to runs, and where the folder of each lies: on a disk, or on S3 at one of two
servers. Moto's refuses connections while it is away, Ceph's gateway accepts them and is silent."""
RESIZED = ("resized", "node-killed", "node-silent")
"""Faults after which a run goes on with another number of workers."""
STORES = ("disk", "moto", "ceph")


class Case(NamedTuple):
    """One run of the drill.

    Attributes:
        fault: What is done to it.
        store: Where its folder lies.
        number: Which of the runs with this fault and store it is, from 0.
    """

    fault: str
    store: str
    number: int

    def __str__(self) -> str:
        return f"{self.fault}-{self.store}-{self.number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainDrill:
    """Settings of the drill: runs that are hurt, each compared with one that nothing happened to.

    Attributes:
        output: Folder of the result file; the repository's own by default, for all runs only.
        cache: Where the outcomes of finished runs are kept: the same command, of the same code,
            doesn't repeat them.
        only: What is done to runs; everything by default.
        stores: Where run folders lie; everywhere by default.
        minutes: After how many minutes no other run begins; the same command goes on.
        steps: Optimizer steps of a run.
        checkpoint_every: Steps between checkpoints.
        away_s: How long a store is away that comes back, in seconds.
        store_wait_s: How long a run waits for one that doesn't, in seconds.
        timeout_s: How long a run may wait for anything, in seconds.
        seed: Seed of the steps at which runs are hurt.
    """

    output: Path | None = None
    cache: Path = Path(".cache/bench-train-drill")
    only: tuple[str, ...] = tuple(PLAN)
    stores: tuple[str, ...] = STORES
    minutes: float = 600.0
    steps: int = 320
    checkpoint_every: int = 8
    away_s: float = 12.0
    store_wait_s: float = 20.0
    timeout_s: float = 300.0
    seed: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether no run is left out."""
        return set(self.only) == set(PLAN) and set(self.stores) == set(STORES)

    def cases(self) -> Iterator[Case]:
        """Yields the runs."""
        for fault, stores in PLAN.items():
            for place, store in enumerate(stores):
                if fault in self.only and store in self.stores:
                    yield Case(fault, store, stores[:place].count(store))

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        yield from (f"there is no fault {one!r}" for one in self.only if one not in PLAN)
        yield from (f"there is no store {one!r}" for one in self.stores if one not in STORES)
        if self.steps < 8 * self.checkpoint_every:
            yield f"steps is {self.steps}, too few for eight checkpoints"
        if self.output is None and not self.is_whole:
            yield "a part of the drill makes no result to keep: name another output folder"
