"""Held-out photos with captions, as JSON lines."""

import json
from pathlib import Path

from palo import storage
from palo.errors import DataError


def read_photos(path: Path, image_folder: Path) -> list[tuple[Path, str]]:
    """Reads photos and captions; each line is an object with `image` and `caption`.

    Args:
        path: The JSON lines.
        image_folder: Folder that the lines' `image` is relative to.

    Returns:
        Picture files, each with one caption.

    Raises:
        StorageError: If the file can't be read or is not UTF-8.
        DataError: If a line is wrong or a picture is missing; the line's number is in the message.
    """
    photos = []
    for number, line in enumerate(storage.read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            image, caption = image_folder / row["image"], row["caption"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise _bad(path, number, "is no object with image and caption", line[:60]) from error
        if not isinstance(caption, str) or not caption.strip():
            raise _bad(path, number, "has no caption", repr(caption))
        if not image.is_file():
            raise _bad(path, number, "names a missing picture", image)
        photos.append((image, caption))
    if not photos:
        raise DataError("there are no photos", seen=path, fix="Name a file with JSON lines.")
    return photos


def _bad(path: Path, number: int, fact: str, seen: object) -> DataError:
    return DataError(
        f"line {number} of {path} {fact}", seen=seen, fix="Correct the line or take it out."
    )
