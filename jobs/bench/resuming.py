"""Figures of a stopped benchmark, reused by the next run of the same settings and commit."""

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from palo import config, storage
from palo.benchmark import Figure
from palo.machine import command_lines

T = TypeVar("T")


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
    same = dataclasses.replace(settings, part="all", output=None, keep=False)
    return Kept(same, settings.cache, root).result(part, Figure, measure)


class TimeOverError(Exception):
    """The time of a call is over, and the next one goes on."""


class Kept:
    """What stopped runs of a bench have measured, each part under its name.

    It is reused only with the same settings, at the same commit, from a clean checkout.

    Args:
        settings: What the results depend on.
        folder: Where they are kept.
        root: The checkout.
        stop_after_s: Nothing else is begun after so many seconds; None sets no limit.
    """

    def __init__(
        self, settings: object, folder: Path, root: Path, stop_after_s: float | None = None
    ) -> None:
        commit = command_lines("git", "-C", str(root), "rev-parse", "HEAD")
        self._is_clean = commit and not command_lines(
            "git", "-C", str(root), "status", "--porcelain"
        )
        self._prefix = folder / f"figures-{config.fingerprint([commit, settings])}"
        self._stop_after_s = stop_after_s
        self._began = time.monotonic()

    def folder(self, name: str) -> Path:
        """Returns a folder for what a part writes, made anew unless the checkout is clean.

        Args:
            name: Its name.
        """
        folder = self._prefix.with_name(f"{self._prefix.name}-{name}")
        if not self._is_clean:
            storage.remove(folder)
        return folder

    def require_time(self, part: str) -> None:
        """Ends this call where its time is over.

        Args:
            part: What would be done next.

        Raises:
            TimeOverError: If the time is over.
        """
        limit = self._stop_after_s
        if limit is not None and time.monotonic() - self._began > limit:
            raise TimeOverError(part)

    def result(self, part: str, kind: type[T], measure: Callable[[], Sequence[T]]) -> list[T]:
        """Returns what a part has measured, now or before.

        Args:
            part: Its name.
            kind: Dataclass of its results.
            measure: Measures it.

        Raises:
            TimeOverError: If it hasn't been measured, and the time is over.
        """
        path = self._prefix.with_name(f"{self._prefix.name}-{part}.json")
        if self._is_clean and path.exists():
            say(f"{part} was measured before: {path}")
            return [config.from_dict(kind, values) for values in storage.read_json(path)]
        self.require_time(part)
        results = list(measure())
        if self._is_clean:
            storage.write_json(path, config.to_dict(results))
        return results
