"""What happened to a stage beside its steps, as JSON lines that `RunStore.note` appends."""

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


def read_events(path: Path) -> list[Event]:
    """Reads all whole lines.

    Args:
        path: The file, which may not exist yet.
    """
    return list(map(_read, storage.whole_lines(path)))


def _read(values: dict[str, object]) -> Event:
    stamp = values.get("time")
    return Event(
        time=float(stamp) if isinstance(stamp, int | float) else 0.0,
        kind=str(values.get("event", "")),
        note=str(values.get("note", "")),
    )
