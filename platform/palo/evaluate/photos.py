"""Held-out photos with captions, as JSON lines."""

from pathlib import Path

from palo import storage
from palo.errors import DataError
from palo.evaluate.questions import bad_line, image_of
from palo.images.image_folder import ImageFolder


def read_photos(path: Path, image_folder: Path) -> list[tuple[Path, str]]:
    """Reads photos and captions; each line is an object with `image` and `caption`.

    Args:
        path: The JSON lines.
        image_folder: Folder that the lines' `image` is relative to.

    Returns:
        Image files, each with one caption.

    Raises:
        StorageError: If the file can't be read or is not JSON lines.
        DataError: If a line is wrong or an image is missing; the line's number is in the message.
    """
    photos = []
    images = ImageFolder(image_folder)
    for number, row in storage.read_json_lines(path):
        try:
            name, caption = row["image"], row["caption"]
        except (KeyError, TypeError) as error:
            seen = str(row)[:60]
            raise bad_line(path, number, "is no object with image and caption", seen) from error
        if not isinstance(name, str):
            raise bad_line(path, number, "names no image", repr(name)[:60])
        image = image_of(images, name, path, number)
        if not isinstance(caption, str) or not caption.strip():
            raise bad_line(path, number, "has no caption", repr(caption))
        if not image.is_file():
            raise bad_line(path, number, "names a missing image", image)
        photos.append((image, caption))
    if not photos:
        raise DataError("there are no photos", seen=path, fix="Name a file with JSON lines.")
    return photos
