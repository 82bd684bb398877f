"""Reads image files: from folders, archives, Parquet files, S3 and web servers."""

from collections.abc import Sequence
from pathlib import Path

from palo import storage
from palo.corpus.images_step.image_rows import open_rows
from palo.errors import ImageError
from palo.images.archives import open_archive
from palo.images.downloads import downloads_in
from palo.images.image_folder import PARQUET, is_web, parts_of, read_image_file
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason


def image_root(images: Path) -> str:
    """Returns what the paths of a source's images begin with; one more slash comes behind it.

    Args:
        images: A folder, or a file: an archive.
    """
    return f"{images}/" if images.is_file() else str(images)


def stamp_of(path: str) -> tuple[int, int]:
    """Returns size and time of change of an image's file or archive, -1 and -1 without one.

    Images of web servers have none: they are asked for once.
    """
    if is_web(path):
        return -1, -1
    try:
        found = storage.path_of(parts_of(path)[0]).stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def stamps_of(paths: Sequence[str]) -> list[tuple[int, int]]:
    """Returns `stamp_of` of many images; looks at each archive once."""
    archives: dict[str, tuple[int, int]] = {}
    stamps: list[tuple[int, int]] = []
    for path in paths:
        file, member = parts_of(path)
        if member and file not in archives:
            archives[file] = stamp_of(file)
        stamps.append(archives[file] if member else stamp_of(path))
    return stamps


def read_image(path: str, indexes: Path, limits: ImageLimits) -> bytes:
    """Reads an image's bytes.

    Args:
        path: Its path in a folder, an archive or a Parquet file, or its URI.
        indexes: Folder of the archives' indexes, and of what was downloaded.
        limits: How much it may ask for.

    Raises:
        ImageError: If there is none, it can't be read, or its file is too large.
    """
    file, member = parts_of(path)
    try:
        if is_web(path):
            return downloads_in(indexes / "downloads").read(path, limits)
        if member:
            return _from_archive(file, member, indexes, limits)
        return read_image_file(storage.path_of(file), limits)
    except FileNotFoundError as error:
        raise ImageError(Reason.IMAGE_MISSING, seen=path, fix="Check the path.") from error
    except OSError as error:
        seen = f"{path}: {error.strerror or error}"
        raise ImageError(Reason.IMAGE_UNREADABLE, seen=seen, fix="Check the file.") from error
    except ImageError as error:
        seen = error.seen if path in error.seen else f"{path}: {error.seen}".removesuffix(": ")
        raise ImageError(error.fact, seen=seen, fix=error.fix) from error


def _from_archive(file: str, member: str, indexes: Path, limits: ImageLimits) -> bytes:
    if storage.path_of(file).suffix == PARQUET:
        return open_rows(file, stamp_of(file)).read(int(member), limits)
    try:
        archive = open_archive(file, stamp_of(file), indexes)
    except FileNotFoundError as error:
        raise ImageError(
            Reason.IMAGE_UNREADABLE,
            seen="the archive changed during the build",
            fix="Build the corpus again.",
        ) from error
    return archive.read(member, limits)
