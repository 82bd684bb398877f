"""What happened to a stage beside its steps, as JSON lines that the driver and workers append."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from palo import storage


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        time: Unix time.
        text: What happened, in one line.
    """

    time: float
    text: str


def append_event(path: Path, text: str) -> None:
    """Appends an event that happens now.

    Args:
        path: The file, made if it is missing.
        text: What happened, in one line.

    Raises:
        StorageError: If it can't be written.
    """
    line = json.dumps(asdict(Event(time=time.time(), text=text)), ensure_ascii=False) + "\n"
    # One write of a short line to a file opened for appending: lines of several writers stay whole.
    with storage.wrap_os_errors("write", path), path.open("a", encoding="utf-8") as file:
        file.write(line)


def read_events(path: Path) -> list[Event]:
    """Reads all whole lines.

    Args:
        path: The file, which may not exist yet.
    """
    if not path.exists():
        return []
    lines = storage.read_text(path).splitlines(keepends=True)
    return [Event(**json.loads(line)) for line in lines if line.endswith("\n")]
