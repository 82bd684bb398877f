"""What happened to a stage beside its steps, as JSON lines that its processes append."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from palo import storage


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        time: Unix time.
        kind: What happened, in a word.
        note: The same for people, in one line.
    """

    time: float
    kind: str
    note: str


def append_event(path: Path, kind: str, note: str) -> None:
    """Appends an event that happens now.

    Args:
        path: The file, made if it is missing.
        kind: What happened, in a word.
        note: The same for people, in one line.

    Raises:
        StorageError: If it can't be written.
    """
    values = {"time": time.time(), "event": kind, "note": note}
    # One write of a short line to a file opened for appending: lines of several writers stay whole.
    with storage.wrap_os_errors("write", path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values, ensure_ascii=False) + "\n")


def read_events(path: Path) -> list[Event]:
    """Reads all whole lines.

    Args:
        path: The file, which may not exist yet.
    """
    if not path.exists():
        return []
    lines = storage.read_text(path).splitlines(keepends=True)
    return [_read(json.loads(line)) for line in lines if line.endswith("\n")]


def _read(values: dict[str, object]) -> Event:
    stamp = values.get("time")
    return Event(
        time=float(stamp) if isinstance(stamp, int | float) else 0.0,
        kind=str(values.get("event", "")),
        note=str(values.get("note", "")),
    )
