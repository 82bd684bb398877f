"""JSON lines on a disk that one process appends to while others read them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from palo.storage.paths import wrap_os_errors
from palo.storage.reading import read_text


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Appends one line and hands it to the operating system.

    Args:
        path: The file; made if it is missing.
        values: JSON values. Numbers that are not finite are written as Python reads them.

    Raises:
        StorageError: If it can't be written.
    """
    with wrap_os_errors("write", path), path.open("a", encoding="utf-8") as file:
        file.write(json_line(values))


def json_line(values: Mapping[str, Any]) -> str:
    """Returns the line that `append_line` writes.

    Args:
        values: JSON values.
    """
    return json.dumps(values, ensure_ascii=False) + "\n"


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the values of all whole lines; a last line that is still being written is skipped.

    Args:
        path: The file, which may not exist yet.

    Raises:
        StorageError: If it can't be read.
    """
    if not path.exists():
        return
    for line in read_text(path).splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)
