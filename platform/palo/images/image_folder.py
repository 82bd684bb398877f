"""Images that files of others name: read from one folder alone, and only if they are files.

Reviews, benches, dialogues and reports come from other people, with paths in them. What such a path
may reach is what lies in the folder that the operator has named; it is neither another folder nor a
bucket or a store of its own choice.
"""

import errno
from pathlib import Path, PurePosixPath

from palo import storage
from palo.errors import ImageError, StorageError
from palo.html.image_uri import image_uri
from palo.images.decode import decode_image
from palo.images.limits import ImageLimits
from palo.reasons import Reason


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
