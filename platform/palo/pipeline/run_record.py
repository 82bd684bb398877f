"""What a run says of itself while it runs, and how it is asked to stop from anywhere.

runs/NAME/run.json    its state, its step, and when it was last seen, renewed every few seconds
runs/NAME/stop        written by whoever wants the run to save a checkpoint and end
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from palo import config, storage
from palo.errors import StorageError

RunState = Literal["running", "finished", "stopped", "failed"]
FORMAT_VERSION = 1
RECORD, STOP = "run.json", "stop"
EVERY_S = 10.0
"""Seconds between two renewals of a record."""
LOST_S = 60.0
"""Seconds after which a record that nobody renews is that of a job that was killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """What a run says of itself.

    Attributes:
        recipe: The recipe's scale.
        program: The script that was run.
        state: What became of it; a running one that isn't seen any more was killed.
        step: What it does or did last, as in `timings.json`; empty before the first step.
        started: When this attempt began, as Unix time.
        seen: When the record was written, as Unix time.
        machine: Name of the driver's machine.
        process: The driver's process id.
        submission: Id of the job at the cluster's job server; empty for others.
        error: Why it failed, in one line.
        stages: Folders of its stages, by name, as texts.
        version: Version of this format.
    """

    recipe: str
    program: str
    state: RunState
    step: str = ""
    started: float
    seen: float
    machine: str
    process: int
    submission: str = ""
    error: str = ""
    stages: dict[str, str]
    version: int = FORMAT_VERSION


def read_record(run: Path) -> RunRecord | None:
    """Reads what a run says of itself; None if it says nothing.

    Args:
        run: The run folder.

    Raises:
        ConfigError: If it was written by another version, or is damaged.
        StorageError: If it can't be read.
    """
    try:
        values = storage.read_json(run / RECORD)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    return config.from_dict(RunRecord, values)


def ask_to_stop(run: Path) -> None:
    """Asks a run to save a checkpoint and end; its driver looks every few seconds.

    Args:
        run: The run folder.

    Raises:
        StorageError: If that can't be written.
    """
    storage.write_text(run / STOP, "")
