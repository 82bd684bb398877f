"""Wall time and memory of a run's steps, in its `timings.json`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo import storage
from palo.machine import PeakMemory
from palo.pipeline.run_keeper import note_step
from palo.progress import duration
from palo.recipes.recipe import Recipe


@contextmanager
def measured(recipe: Recipe, step: str) -> Iterator[None]:
    """Records the wall time of a step and the most memory that all its processes held.

    Args:
        recipe: The run.
        step: The step's name in timings.json.
    """
    storage.ensure_folder(recipe.output)
    note_step(recipe.output, step)
    started = time.monotonic()
    with PeakMemory() as memory:
        yield
    seconds = time.monotonic() - started
    values = {"wall_s": round(seconds, 1), "peak_memory_gib": round(memory.peak_gib, 2)}
    storage.write_json(_timings(recipe), {**read_timings(recipe), step: values})
    print(f"{step}  done in {duration(seconds)}", flush=True)


def read_timings(recipe: Recipe) -> dict[str, dict[str, float]]:
    """Reads wall time in seconds and peak memory in GiB of the steps that were run, by step.

    Args:
        recipe: The run.
    """
    path = _timings(recipe)
    values: dict[str, dict[str, float]] = storage.read_json(path) if path.is_file() else {}
    return values


def _timings(recipe: Recipe) -> Path:
    return recipe.output / "timings.json"
