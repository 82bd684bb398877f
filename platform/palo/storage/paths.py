"""Paths as texts, and texts as paths."""

import os
from pathlib import Path

from palo.storage.s3_path import S3Path
from palo.storage.s3_place import is_uri


def path_of(text: str | Path) -> Path:
    """Returns the path that a text names, on this machine or, as s3://bucket/key, on S3.

    A `Path` that was made of such a URI has lost a slash, and becomes the path that was meant.

    Raises:
        StorageError: If it is an s3:// URI without a bucket.
    """
    return S3Path(str(text)) if is_uri(str(text)) else Path(text)


def lies_within(path: Path, folder: Path) -> bool:
    """Tells whether a path lies in a folder once symbolic links are followed.

    The files of a snapshot in Hugging Face's cache are links to blobs beside it: these count as the
    snapshot's own.
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
    """Returns how to name a path from within a folder, so that both can be moved together.

    Paths on S3 in another bucket, or above the folder, are named in full.
    """
    if not isinstance(path, S3Path) and not isinstance(folder, S3Path):
        return os.path.relpath(path, folder)
    if isinstance(path, S3Path) and isinstance(folder, S3Path):
        own, start = path.place, folder.place
        if own._replace(key="") == start._replace(key=""):
            return os.path.relpath(f"/{own.key}", f"/{start.key}")
    return str(path.resolve())


def follow(folder: Path, text: str) -> Path:
    """Returns the path that `relative_text` named."""
    if is_uri(text):
        return path_of(text)
    if not isinstance(folder, S3Path) or text.startswith("/"):
        return (Path() if isinstance(folder, S3Path) else folder).joinpath(text).resolve()
    key = os.path.normpath(f"/{folder.place.key}/{text}").lstrip("/")
    return S3Path(folder.place._replace(key=key).uri)
