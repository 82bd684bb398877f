"""Paths and their texts, and the errors that name them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palo.errors import StorageError
from palo.storage.s3_location import is_uri
from palo.storage.s3_path import S3Path


def path_of(text: str | Path) -> Path:
    """Returns the path that a text names, on this machine or, as s3://bucket/key, on S3.

    A `Path` that was made of such a URI has lost a slash, and becomes the path that was meant.

    Args:
        text: A path or an s3:// URI.

    Raises:
        StorageError: If it is an s3:// URI without a bucket.
    """
    return S3Path(str(text)) if is_uri(str(text)) else Path(text)


def lies_within(path: Path, folder: Path) -> bool:
    """Returns whether a path lies in a folder once symbolic links are followed.

    The files of a snapshot in Hugging Face's cache are links to blobs beside it: these count as the
    snapshot's own.

    Args:
        path: The path.
        folder: The folder.
    """
    if isinstance(path, S3Path) or isinstance(folder, S3Path):
        return path == folder or folder in path.parents
    try:
        root, found = folder.resolve(), path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return False
    if found.is_relative_to(root):
        return True
    cached = (place.parent for place in (root, *root.parents) if place.parent.name == "snapshots")
    return any(found.is_relative_to(snapshots.parent / "blobs") for snapshots in cached)


def relative_text(path: Path, folder: Path) -> str:
    """Returns a path as a text relative to a folder, so that both can be moved together.

    Paths on S3 in another bucket, or above the folder, are named in full.

    Args:
        path: The path.
        folder: The folder that the text is relative to.
    """
    if not isinstance(path, S3Path) and not isinstance(folder, S3Path):
        return os.path.relpath(path, folder)
    if isinstance(path, S3Path) and isinstance(folder, S3Path):
        own, start = path.place, folder.place
        if own._replace(key="") == start._replace(key=""):
            return os.path.relpath(f"/{own.key}", f"/{start.key}")
    return str(path.resolve())


def follow(folder: Path, text: str) -> Path:
    """Returns the path that a text of `relative_text` names.

    Args:
        folder: The folder that the text is relative to.
        text: A relative or absolute path, or an s3:// URI.
    """
    if is_uri(text):
        return path_of(text)
    if not isinstance(folder, S3Path) or text.startswith("/"):
        return (Path() if isinstance(folder, S3Path) else folder).joinpath(text).resolve()
    key = os.path.normpath(f"/{folder.place.key}/{text}").lstrip("/")
    return S3Path(folder.place._replace(key=key).uri)


@contextmanager
def wrap_os_errors(action: str, path: Path) -> Iterator[None]:
    """Turns an OSError of the block into a StorageError with the path and a remedy.

    Args:
        action: What the block does, as a verb.
        path: With which file or folder.

    Raises:
        StorageError: If the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"can't {action} {path}", seen=error.strerror or error, fix=_remedy(error)
        ) from error


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "Free some disk space or choose another folder; what was finished is kept."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "Choose a folder that you may write, or change its permissions."
        case errno.ENOENT:
            return "Check the path."
        case errno.EFBIG:
            return "Check that it is the file that was meant, or split it."
        case errno.ENOTDIR | errno.EISDIR | errno.EEXIST:
            return "A file and a folder have the same name: choose another path."
    return "Check the disk and the path."
