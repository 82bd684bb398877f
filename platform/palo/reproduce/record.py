"""What a run folder keeps of its steps: `reproduce/record.json`."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from palo import config, storage
from palo.errors import MismatchError, StorageError
from palo.reproduce.settings import StepName

FOLDER = "reproduce"
"""Folder of the record, the logs and the answers in a run folder."""
FORMAT_VERSION = 1
StepState = Literal["waiting", "running", "done", "left out", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """What became of one step.

    Attributes:
        name: The step.
        state: Its state; one that is running while no job is was killed.
        note: Why it was left out, done again or failed, in one line.
        inputs: What it is or was made of: fingerprints by name.
        settings: Its settings as texts by dotted name, to say which of them changed.
        outputs: What it left: hashes by name; empty until it is done.
        attempts: How often it was started since it was last done from the beginning.
        wall_s: Seconds of all these attempts whose end was seen.
        started: When the latest one began, as Unix time; None before the first.
        ended: When it ended; None while it runs.
    """

    name: StepName
    state: StepState = "waiting"
    note: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    wall_s: float = 0.0
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceRecord:
    """All steps of a run, in their order.

    Attributes:
        recipe: The recipe's scale.
        steps: The steps.
        version: Version of this format.
    """

    recipe: str
    steps: tuple[StepRecord, ...]
    version: int = FORMAT_VERSION

    def step(self, name: StepName) -> StepRecord:
        """Returns a step; one that hasn't been recorded waits.

        Args:
            name: The step.
        """
        return next((one for one in self.steps if one.name == name), StepRecord(name=name))

    def with_step(self, changed: StepRecord) -> "ReproduceRecord":
        """Returns the record with another state of one of its steps.

        Args:
            changed: The step.
        """
        steps = tuple(changed if one.name == changed.name else one for one in self.steps)
        return replace(self, steps=steps)


def read_reproduction(run: Path, scale: str, names: Iterable[StepName]) -> ReproduceRecord:
    """Reads the record of a run; every step waits where there is none.

    Args:
        run: The run folder.
        scale: The recipe's scale.
        names: The recipe's steps, in their order.

    Raises:
        ConfigError: If it is damaged.
        MismatchError: If another version wrote it.
        StorageError: If it can't be read.
    """
    path = run / FOLDER / "record.json"
    try:
        values = storage.read_json(path)
    except StorageError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        values = {"recipe": scale, "steps": []}
    if values.get("version", FORMAT_VERSION) != FORMAT_VERSION:
        raise MismatchError(
            f"{path} was written by another version",
            seen=f"this version reads format {FORMAT_VERSION}",
            fix="Remove the file: finished steps are then found to be finished, one by one.",
        )
    found = config.from_dict(ReproduceRecord, values)
    return replace(found, recipe=scale, steps=tuple(found.step(name) for name in names))


def write_reproduction(run: Path, record: ReproduceRecord) -> None:
    """Writes the record of a run, whole or not at all.

    Args:
        run: The run folder.
        record: The record.

    Raises:
        StorageError: If it can't be written.
    """
    storage.write_json(run / FOLDER / "record.json", config.to_dict(record))
