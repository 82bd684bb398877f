"""Which checkpoint a stage resumes from: the newest sound one; damaged ones are set aside."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from palo import storage
from palo.checkpoint.trainable import STATE, WEIGHTS, Cursor, every, read_cursor
from palo.errors import StorageError

ASIDE = "damaged-"
"""What the name of a checkpoint begins with that was set aside."""


def check_sound(checkpoint: Path) -> Cursor:
    """Checks that a checkpoint on a disk is whole and holds the bytes that were written.

    Args:
        checkpoint: Folder of the checkpoint.

    Returns:
        Its position.

    Raises:
        MismatchError: If another version of the project wrote it.
        StorageError: If a file is missing, cut off or changed.
    """
    cursor = read_cursor(checkpoint)
    for name, wanted in cursor.files.items():
        found = storage.file_hash(checkpoint / name)
        if found != wanted:
            raise StorageError(
                f"{checkpoint / name} is damaged",
                seen=f"SHA-256 {found[:12]}..., not {wanted[:12]}...",
                fix="Delete this checkpoint to use the one before it.",
            )
    if not cursor.files:  # format 2: its header says how long the file must be
        try:
            with (
                storage.wrap_os_errors("read", checkpoint / WEIGHTS),
                safe_open(checkpoint / WEIGHTS, framework="pt"),
            ):
                pass
        except SafetensorError as error:
            raise StorageError(f"{checkpoint / WEIGHTS} is damaged", seen=error) from error
    return cursor


def newest_cursor(folder: Path) -> Cursor | None:
    """Returns the position of the newest checkpoint whose state can be read.

    Its tensors are not looked at: whoever resumes does that.

    Args:
        folder: Folder of the checkpoints, which may not exist.

    Returns:
        The position; None without such a checkpoint.

    Raises:
        MismatchError: If another version of the project wrote it.
    """
    for checkpoint in reversed(every(folder)):
        try:
            return read_cursor(checkpoint)
        except StorageError:  # damaged: reported where it is set aside
            continue
    return None


def newest_sound(
    folder: Path,
    say: Callable[[str], None],
    fetch: Callable[[Path], Path] = lambda checkpoint: checkpoint,
) -> Path | None:
    """Returns the newest sound checkpoint, and sets newer ones that are damaged aside.

    Args:
        folder: Folder of the checkpoints, which may not exist.
        say: Gets a line about each that was set aside.
        fetch: Copies a checkpoint to a disk of this machine, where it isn't on one.

    Returns:
        The folder of the checkpoint on a disk; None if there never was one.

    Raises:
        MismatchError: If another version of the project wrote it.
        StorageError: If all are damaged, or the store is away.
    """
    damaged: list[tuple[Path, str]] = []
    for checkpoint in reversed(every(folder)):
        local = fetch(checkpoint)  # outside: a store that is away damages nothing
        try:
            check_sound(local)
        except StorageError as error:
            damaged.append((checkpoint, error.fact))
            continue
        for path, fact in damaged:
            say(
                f"checkpoint {path.name} is damaged and set aside as {set_aside(path).name}: {fact}"
            )
        return local
    if damaged:  # they keep their names: a stage must not start over on its own
        raise StorageError(
            "no checkpoint of this stage is sound",
            seen=f"{len(damaged)} in {folder}; the newest: {damaged[0][1]}",
            fix=f"Put a sound copy back, or delete {folder.parent} to start over.",
        )
    return None


def set_aside(checkpoint: Path) -> Path:
    """Takes a checkpoint out of those that count, and keeps what it holds.

    On S3, where nothing can be renamed, its state gets another name.

    Args:
        checkpoint: Folder of the checkpoint.

    Returns:
        Where it is now.

    Raises:
        StorageError: If that can't be written.
    """
    if isinstance(checkpoint, storage.S3Path):
        renamed = checkpoint / f"{ASIDE}{STATE}"
        storage.copy_file(checkpoint / STATE, renamed)
        storage.remove(checkpoint / STATE)
        return renamed
    aside = checkpoint.with_name(f"{ASIDE}{checkpoint.name}")
    storage.remove(aside)
    with storage.wrap_os_errors("rename", checkpoint):
        checkpoint.rename(aside)
    return aside
