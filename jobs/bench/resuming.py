"""Figures of a stopped benchmark, reused by the next run of the same settings and commit."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from palo import config, storage
from palo.benchmark import Figure
from palo.machine import command_lines


def say(line: str) -> None:
    """Prints a line at once.

    Args:
        line: The line.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measured(
    settings: Any,  # noqa: ANN401 - the settings of any bench that has parts
    part: str,
    measure: Callable[[], Sequence[Figure]],
    root: Path,
) -> list[Figure]:
    """Returns a part's figures, measured now or by a run that was stopped.

    They are reused only with the same settings, at the same commit, from a clean checkout.

    Args:
        settings: The bench's, with `part`, `output`, `cache` and `keep`.
        part: The part.
        measure: Measures it.
        root: The checkout.
    """
    commit = command_lines("git", "-C", str(root), "rev-parse", "HEAD")
    is_clean = commit and not command_lines("git", "-C", str(root), "status", "--porcelain")
    same = dataclasses.replace(settings, part="all", output=None, keep=False)
    path = settings.cache / f"figures-{config.fingerprint([commit, same])}-{part}.json"
    if is_clean and path.exists():
        say(f"{part} was measured before: {path}")
        return [config.from_dict(Figure, values) for values in storage.read_json(path)]
    figures = list(measure())
    if is_clean:
        storage.write_json(path, config.to_dict(figures))
    return figures
