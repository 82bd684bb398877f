"""A folder that appears under its name only when all in it is written and verified.

It is made in a hidden sibling, which one process holds by a lock. An earlier export of the same
model is found again by its stamp; anything else that has the name is left alone.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo import storage
from palo.errors import ConfigError, ResourceError, StorageError
from palo.storage import S3Path

STAMP = "export.json"
_SPARE_BYTES = 64 << 20


def require_apart(output: Path, folders: Sequence[Path]) -> None:
    """Checks that an export neither lies in the model that it is made of nor holds it.

    Args:
        output: The export's folder.
        folders: Folders of the model: its stage and its parts.

    Raises:
        ConfigError: If it does, or is not on a disk.
    """
    if isinstance(output, S3Path):
        raise ConfigError(
            "an export is written to a folder on a disk",
            seen=output,
            fix="Copy it there afterwards.",
        )
    found = output.resolve()
    for folder in (one.resolve() for one in folders):
        if found.is_relative_to(folder) or folder.is_relative_to(found):
            raise ConfigError(
                "the output folder and the model's folder can't be one in the other",
                seen=f"{output} and {folder}",
                fix="Choose another --output.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a folder is to hold.

    Attributes:
        stamp: What makes two exports the same; it is part of the folder's export.json.
        verified: Whether an export that wasn't compared with its model is made again.
        force: Whether another folder of the name may be replaced, and the same export made again.
    """

    stamp: Mapping[str, Any]
    verified: bool
    force: bool


def is_done(output: Path, wanted: Wanted) -> bool:
    """Returns whether a folder holds the same export already.

    Args:
        output: The export's folder.
        wanted: What it is to hold.

    Raises:
        StorageError: If it holds something else, and may not be replaced.
    """
    with storage.wrap_os_errors("read", output):
        if not output.exists() or (output.is_dir() and not any(output.iterdir())):
            return False
    found = storage.read_json(output / STAMP) if (output / STAMP).is_file() else {}
    stamp = wanted.stamp.items()
    if isinstance(found, dict) and all(found.get(key) == value for key, value in stamp):
        return not wanted.force and (found.get("verification") is not None or not wanted.verified)
    if not wanted.force:
        raise StorageError(
            "the output folder holds something else",
            seen=output,
            fix="Choose another --output, or give --force to replace it.",
        )
    return False


def require_space(output: Path, needed_bytes: int) -> None:
    """Checks that an export has room on its disk.

    Args:
        output: The export's folder, which needn't exist.
        needed_bytes: What its weights take.

    Raises:
        ResourceError: If there is less.
    """
    parent = next(path for path in (output, *output.resolve().parents) if path.is_dir())
    with storage.wrap_os_errors("look at the disk of", parent):
        free = shutil.disk_usage(parent).free
    if free < needed_bytes + _SPARE_BYTES:
        raise ResourceError(
            f"there is too little space for {output}",
            seen=f"{_megabytes(needed_bytes + _SPARE_BYTES)} needed, {_megabytes(free)} free",
            fix="Free some, or choose an --output on another disk.",
        )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


@contextmanager
def appearing(output: Path, wanted: Wanted) -> Iterator[Path | None]:
    """Yields a hidden folder that takes the output's name if the block succeeds; else it goes.

    Args:
        output: The export's folder.
        wanted: What it is to hold; the block must write export.json.

    Yields:
        The hidden folder, or None if another process has made the same export meanwhile.

    Raises:
        ResourceError: If another process is writing the same export.
        StorageError: If the folder can't be written, or holds something else.
    """
    partial = output.with_name(f".{output.name}.partial")
    with storage.alone_in(partial):
        try:
            if is_done(output, wanted):
                yield None
                return
            _empty(partial)  # of what a killed process has left
            yield partial
            _require_stamp(partial)
            is_done(output, wanted)  # something else may have appeared meanwhile
            with storage.wrap_os_errors("write", output):
                if output.exists():
                    storage.remove(output)
                partial.rename(output)
        finally:
            storage.remove(partial)


def _empty(folder: Path) -> None:
    with storage.wrap_os_errors("write to the folder", folder):
        leftovers = list(folder.iterdir())
    for path in leftovers:
        storage.remove(path)


def _require_stamp(folder: Path) -> None:
    if not (folder / STAMP).is_file():
        raise StorageError(
            "another process has taken the export's folder away",
            seen=folder,
            fix="Run the command again.",
        )
