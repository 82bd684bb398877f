"""Paths and URIs of images, and reading images that foreign files name.

An image in an archive or a Parquet file has the path `file//member`. No other path contains two
slashes: those of folders and rows are normalised before they are joined by one.

Reviews, benchmarks, dialogues and reports come from other people, with paths in them. Such a path
reaches only what lies in the folder that the operator has named; no other folder, bucket or store.
"""

import errno
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from palo import storage
from palo.errors import ImageError, StorageError
from palo.html.image_uri import image_uri
from palo.images.decode import decode_image
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

PARQUET = ".parquet"

_WITHIN = "//"
_SCHEME_END = "://"
_WEB = ("http://", "https://")
_USUAL_PORTS = {"http": 80, "https": 443}
_BUCKET = "s3://"


class ImagePath(str):
    """A path that a reader of sources made up itself, so that no row of a source can say it."""

    __slots__ = ()


def path_within(file: Path, row: int) -> str:
    """Returns the path of the image in a row of a Parquet file; it sorts as the rows do.

    Args:
        file: Path of the Parquet file.
        row: Number of the row, from 0.
    """
    return f"{file}{_WITHIN}{row:012d}"


def parts_of(path: str) -> tuple[str, str]:
    """Returns the file that an image is in, and its name therein; that is empty for a file.

    Args:
        path: Any image's path.
    """
    scheme = path.find(_SCHEME_END)
    start = path.find(_WITHIN, scheme + len(_SCHEME_END) if scheme >= 0 else 1)
    return (path, "") if start < 0 else (path[:start], path[start + len(_WITHIN) :])


def is_web(path: str) -> bool:
    """Returns whether an image must be downloaded.

    Args:
        path: Any image's path.
    """
    return path.startswith(_WEB)


def host_of(uri: str) -> str | None:
    """Returns the server or bucket that a URI names; None if it is no URI of an image.

    A server's port is included unless it is the usual one: other ports are other services.

    Args:
        uri: Any text.

    Raises:
        ValueError: If the URI is malformed.
    """
    if not uri.lower().startswith((*_WEB, _BUCKET)):
        return None
    split = urlsplit(uri)
    port = split.port  # asked for its check of the digits
    wrong = not uri.startswith((*_WEB, _BUCKET)) or split.hostname is None or port == 0
    if wrong or split.username is not None or not uri.isascii() or not uri.isprintable():
        raise ValueError("malformed")
    if " " in uri or (uri.startswith(_BUCKET) and (_WITHIN in split.path or "?" in uri)):
        raise ValueError("malformed")
    if uri.startswith(_BUCKET) or port not in (None, _USUAL_PORTS[split.scheme]):
        return split.netloc.lower()
    return split.hostname


def read_image_file(path: Path, limits: ImageLimits | None = None) -> bytes:
    """Reads the bytes of an image file, local or on S3; the path is trusted.

    Args:
        path: The file.
        limits: How much it may ask for.

    Raises:
        ImageError: If there is none, it is no regular file, is too large, or can't be read.
        StorageError: If a store refuses.
    """
    limits = limits or ImageLimits()
    try:
        return storage.read_regular(path, limits.max_file_bytes)
    except FileNotFoundError as error:
        raise ImageError(Reason.IMAGE_MISSING, seen=path, fix="Check the path.") from error
    except OSError as error:
        seen = f"{path}: {error.strerror or error}"
        if error.errno == errno.EFBIG:
            fix = f"Use one of at most {limits.max_file_bytes} bytes."
            raise ImageError(Reason.IMAGE_FILE_TOO_LARGE, seen=seen, fix=fix) from error
        raise ImageError(Reason.IMAGE_UNREADABLE, seen=seen, fix="Check the file.") from error


def thumbnail_uri(data: bytes, side: int) -> str:
    """Returns an image as a data URI, scaled down to at most some pixels a side.

    Args:
        data: The image file's bytes.
        side: The longest side in pixels.

    Raises:
        ImageError: If it is no image that can be decoded.
    """
    image = decode_image(data)
    image.thumbnail((side, side))
    return image_uri(image)


class ImageFolder:
    """A folder that an operator has named, in which the images of foreign files are looked for.

    Args:
        folder: On this machine, or on S3 with the endpoint that it is served by.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str) -> Path:
        """Returns the path of an image, whether there is one or not.

        Args:
            name: As a foreign file writes it: relative to the folder; for a folder on S3 also
                s3://bucket/key, if it lies in the folder.

        Raises:
            ImageError: If it leads out of the folder, by itself or through symbolic links.
        """
        found = None if "\0" in name else self._joined(name)
        if found is None or not storage.lies_within(found, self._folder):
            raise ImageError(
                Reason.IMAGE_OUTSIDE,
                seen=repr(name)[:200],
                fix=f"Put it into {self._folder}, or name the folder that holds it.",
            )
        return found

    def read(self, name: str, limits: ImageLimits | None = None) -> bytes:
        """Reads the bytes of an image.

        Args:
            name: See `find`.
            limits: How much it may ask for.

        Raises:
            ImageError: If it leads out of the folder or can't be read.
            StorageError: If a store refuses.
        """
        return read_image_file(self.find(name), limits)

    def _joined(self, name: str) -> Path | None:
        """Returns the path that a name means; None if no name can mean it."""
        # A store or a bucket is the operator's to name.
        if storage.names_a_store(name):
            return None
        if storage.is_uri(name):
            return self._in_bucket(name)
        pure = PurePosixPath(name)
        return None if pure.is_absolute() or ".." in pure.parts else self._folder / pure

    def _in_bucket(self, uri: str) -> Path | None:
        if not isinstance(self._folder, storage.S3Path):
            return None
        try:
            named, own = storage.S3Path(uri).place, self._folder.place
        except StorageError:  # it names no key
            return None
        if named.bucket != own.bucket:
            return None
        return storage.S3Path(own._replace(key=named.key).uri)
