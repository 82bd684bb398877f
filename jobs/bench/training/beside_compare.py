"""Our training job beside other trainers, in turn on the same samples, steps and arithmetic."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from resuming import Kept, say
from training.beside_inputs import Inputs, write_inputs
from training.beside_runs import Run, run_side
from training.beside_settings import OTHERS, OURS, BesideBench, Order, Side


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What the runs of all sides gave.

    Attributes:
        runs: Runs by side, in order.
        micro_batches: Samples of a worker's batch, by trainer but ours.
    """

    runs: dict[str, list[Run]]
    micro_batches: dict[str, int]


def measure_beside(settings: BesideBench, root: Path, pythons: Mapping[str, str]) -> Measured:
    """Runs all sides in turn, but for what an earlier call has run.

    Args:
        settings: The bench's.
        root: The checkout.
        pythons: The Pythons of other environments, by their variables.

    Raises:
        ResourceError: If a trainer ends with an error.
        TimeOverError: If the time is over before all runs are done.
    """
    same = replace(settings, output=None, cache=Path(), stop_after_s=None)
    kept = Kept(same, settings.cache, root, settings.stop_after_s)
    others = [
        side
        for side in OTHERS
        if side.name in settings.others and (side.variable is None or side.variable in pythons)
    ]
    sizes = {side.name: _sizes(settings, side) for side in others}
    runs: dict[str, list[Run]] = {}
    for repeat in range(settings.repeats):
        for order, ours in OURS.items():
            sides = [side for side in others if side.order == order]
            sides = [ours, *sides] if sides else []
            with _Written(settings, root, order, settings.seed + repeat, pythons) as written:
                for side in sides[:: -1 if repeat % 2 else 1]:
                    by_size = {}
                    for size in sizes.get(side.name, (0,)):
                        name = f"{side.name}-{size}-repeat-{repeat + 1}"
                        (by_size[size],) = kept.result(name, Run, partial(written.run, side, size))
                    quickest = min(by_size, key=lambda size: by_size[size].seconds)
                    sizes[side.name] = (quickest,)
                    runs.setdefault(side.name, []).append(by_size[quickest])
    return Measured(runs=runs, micro_batches={side.name: sizes[side.name][0] for side in others})


def _sizes(settings: BesideBench, side: Side) -> tuple[int, ...]:
    """Returns the sizes of batches that the first repeat tries, of which the quickest stays."""
    if side.scanned:
        return settings.micro_batches
    return (settings.samples_per_step // settings.workers,)


class _Written:
    """Inputs of an order and a seed: written when the first run needs them, removed at the end.

    Args:
        settings: The bench's.
        root: The checkout.
        order: How steps are made.
        seed: Seed of samples and weights.
        pythons: The Pythons of other environments, by their variables.
    """

    def __init__(
        self,
        settings: BesideBench,
        root: Path,
        order: Order,
        seed: int,
        pythons: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._pythons = pythons
        self._write = partial(write_inputs, settings, root, order, seed)
        self._folder: Path | None = None
        self._inputs: Inputs | None = None

    def __enter__(self) -> "_Written":
        return self

    def __exit__(self, *error: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def run(self, side: Side, micro_batch: int) -> list[Run]:
        """Runs a side on them.

        Args:
            side: The side.
            micro_batch: Samples of a worker's batch.
        """
        if self._folder is None or self._inputs is None:
            self._folder = Path(tempfile.mkdtemp(prefix="palo-bench-"))
            self._inputs = self._write(self._folder)
        say(f"running {side.name}" + (f" with batches of {micro_batch}" if micro_batch else ""))
        folder = self._folder / f"{side.name}-{micro_batch}"
        python = self._pythons[side.variable] if side.variable else sys.executable
        return [run_side(self._settings, self._inputs, side, python, micro_batch, folder)]
