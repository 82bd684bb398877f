"""The steps and events of a run as lines for people, as they come, from wherever the store is seen.

Files on S3 are read in ranges: of what is there already, nothing is read again.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palo import storage
from palo.pipeline.run_record import RunRecord, read_record
from palo.pipeline.runs import read_run, stage_folders
from palo.train.stage_files import StageFiles

_LOOK_EVERY_S = 3.0
_RANGE_BYTES = 4 << 20
_MARKS = {"running": "runs", "stopped": "was stopped", "failed": "failed", "finished": "has ended"}


def log_lines(run: Path, *, follow: bool) -> Iterator[str]:
    """Yields a run's log, in the order of time within each look at it.

    Args:
        run: The run folder.
        follow: Goes on until the run doesn't run any more.

    Yields:
        Lines for people.

    Raises:
        StorageError: If it can't be read.
    """
    readers: dict[Path, _GrowingFile] = {}
    told = ""
    while True:
        found = read_run(run)
        fresh: list[tuple[float, str]] = []
        for stage, folder in stage_folders(run, found.record).items():
            files = StageFiles(folder)
            for path in (files.metrics, files.validations, files.events):
                reader = readers.setdefault(path, _GrowingFile(path))
                for values in reader.fresh():
                    stamp = float(values.get("time", 0.0))
                    fresh.append((stamp, f"{_clock(stamp)}  {stage}  {_line(values)}"))
        yield from (line for _, line in sorted(fresh))
        if (state := _state_line(found.record)) != told:
            told = state
            yield state
        if not follow or found.state != "running":
            return
        time.sleep(_LOOK_EVERY_S)


def wait_until_ended(run: Path, wait_s: float) -> RunRecord | None:
    """Waits until a run doesn't run any more, and returns what it says then.

    Args:
        run: The run folder.
        wait_s: How long to wait at most, in seconds.

    Raises:
        StorageError: If it can't be read.
    """
    until = time.monotonic() + wait_s
    while True:
        record = read_record(run)
        if record is None or record.state != "running" or time.monotonic() >= until:
            return record
        time.sleep(_LOOK_EVERY_S)


def _state_line(record: RunRecord | None) -> str:
    if record is None:
        return "this run keeps no record of its state"
    at = f", at {record.step}" if record.step else ""
    why = f": {record.error}" if record.error else ""
    return f"{_clock(record.seen)}  the run {_MARKS[record.state]}{at}{why}"


def _line(values: dict[str, Any]) -> str:
    if "note" in values:
        return str(values["note"])
    if "num_steps" in values and "loss" in values:
        pace = ""
        if seconds := values.get("step_s"):
            pace = f"  {values.get('num_tokens', 0) / seconds:,.0f} tokens/s"
        return (
            f"step {values['step'] + 1:,}/{values['num_steps']:,}  loss {values['loss']:.4f}{pace}"
        )
    shown = ", ".join(f"{name} {_short(value)}" for name, value in values.items() if name != "time")
    return f"held-out rows: {shown}"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} {_short(one)}" for name, one in value.items()) + "}"
    return str(value)


def _clock(stamp: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))


class _GrowingFile:
    """JSON lines that another process appends to, or, when a run is resumed, begins again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._latest = 0.0

    def fresh(self) -> Iterator[dict[str, Any]]:
        """Yields the values of the lines that came since the last call."""
        if not self._path.is_file():
            return
        with storage.wrap_os_errors("read", self._path):
            size = self._path.stat().st_size
        if size < self._offset:  # lines of steps that are done again were cut off
            self._offset, self._rest = 0, b""
        latest = self._latest
        while self._offset < size:
            wanted = min(_RANGE_BYTES, size - self._offset)
            data = storage.read_range(self._path, self._offset, wanted)
            if not data:
                break
            self._offset += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in filter(None, lines):
                values: dict[str, Any] = json.loads(line)
                stamp = float(values.get("time", 0.0))
                if stamp > latest or not stamp:
                    self._latest = max(self._latest, stamp)
                    yield values
