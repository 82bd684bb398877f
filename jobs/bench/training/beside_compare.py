"""Our training job beside other trainers, in turn on the same samples, steps and arithmetic."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from resuming import Kept, say
from training.beside_inputs import Inputs, write_inputs
from training.beside_runs import Run, run_side
from training.beside_settings import OTHERS, OURS, TRL_PYTHON, BesideBench, Order, Side


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What the runs of all sides gave.

    Attributes:
        runs: Runs by side, in order.
        micro_batches: Samples of a worker's batch, by trainer but ours.
    """

    runs: dict[str, list[Run]]
    micro_batches: dict[str, int]


def measure_beside(settings: BesideBench, root: Path) -> Measured:
    """Runs all sides in turn, but for what an earlier call has run.

    Args:
        settings: The bench's.
        root: The checkout.

    Raises:
        ResourceError: If a trainer ends with an error.
        TimeOverError: If the time is over before all runs are done.
    """
    same = replace(settings, output=None, cache=Path(), stop_after_s=None)
    kept = Kept(same, settings.cache, root, settings.stop_after_s)
    others = _installed()
    micro_batches = _micro_batches(settings, root, kept, others)
    runs: dict[str, list[Run]] = {}
    for repeat in range(settings.repeats):
        for order, ours in OURS.items():
            sides = [ours, *(side for side in others if side.order == order)]
            with _Written(settings, root, order, settings.seed + repeat) as written:
                for side in sides:
                    measure = partial(written.run, side, micro_batches.get(side.name, 0))
                    name = f"{side.name}-repeat-{repeat + 1}"
                    runs.setdefault(side.name, []).extend(kept.result(name, Run, measure))
    return Measured(runs=runs, micro_batches=micro_batches)


def _installed() -> list[Side]:
    for side in OTHERS:
        if side.python is None:
            say(f"{side.name} is left out: {TRL_PYTHON} names no Python that has it")
    return [side for side in OTHERS if side.python is not None]


def _micro_batches(
    settings: BesideBench, root: Path, kept: Kept, others: Sequence[Side]
) -> dict[str, int]:
    """Chooses the size of each side's batches: the quickest, or a worker's share of a step."""
    chosen = {}
    short = replace(settings, steps=1)
    with _Written(short, root, "length", settings.seed) as written:
        for side in others:
            chosen[side.name] = settings.samples_per_step // settings.workers
            if not side.scanned:
                continue
            seconds = {}
            for size in settings.micro_batches:
                name = f"{side.name}-batches-of-{size}"
                (run,) = kept.result(name, Run, partial(written.run, side, size))
                seconds[size] = run.steps[-1].seconds
            chosen[side.name] = min(seconds, key=seconds.__getitem__)
    return chosen


class _Written:
    """Inputs of an order and a seed: written when the first run needs them, removed at the end.

    Args:
        settings: The bench's.
        root: The checkout.
        order: How steps are made.
        seed: Seed of samples and weights.
    """

    def __init__(self, settings: BesideBench, root: Path, order: Order, seed: int) -> None:
        self._settings = settings
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
        return [run_side(self._settings, self._inputs, side, micro_batch, folder)]
