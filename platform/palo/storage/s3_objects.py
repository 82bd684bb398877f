"""Objects of a bucket: their sizes and bytes, lists of them, deletion, and reading as a file."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from palo.errors import StorageError
from palo.storage.s3_location import S3Location
from palo.storage.s3_requests import S3Client, request, status_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_BYTES = 4 << 20
"""Buffer of a file that is read in order."""

_DELETIONS_AT_ONCE = 16


class Head(NamedTuple):
    """What a store reports of an object.

    Attributes:
        size_bytes: Its size.
        etag: Its ETag: an MD5 of its bytes where store and way of writing allow.
        modified_s: When it was written, in whole seconds since 1970.
    """

    size_bytes: int
    etag: str
    modified_s: int


def head(place: S3Location) -> Head:
    """Returns size, ETag and time of an object.

    Args:
        place: The object.

    Raises:
        FileNotFoundError: If there is none.
        StorageError: If the store refuses.
    """
    from botocore.exceptions import ClientError

    if not place.key:
        first_below(place)
        raise FileNotFoundError(2, "A bucket is no object", place.uri)

    def ask() -> Head:
        answer = request(
            "read", place, lambda s3: s3.head_object(Bucket=place.bucket, Key=place.key)
        )
        modified_s = int(answer["LastModified"].timestamp())
        return Head(answer["ContentLength"], answer["ETag"].strip('"'), modified_s)

    try:
        return ask()
    except (FileNotFoundError, StorageError) as error:
        # A HEAD has no body: only a list shows whether bucket or object is missing, and why.
        cause = error.__cause__
        if isinstance(cause, ClientError) and status_of(cause) in (301, 400, 404):
            first_below(place)
        raise


def first_below(place: S3Location) -> str | None:
    """Returns the first key that begins with the place's; None if there is none.

    Args:
        place: The location.

    Raises:
        StorageError: If the store refuses.
    """
    answer = request(
        "list",
        place,
        lambda s3: s3.list_objects_v2(Bucket=place.bucket, Prefix=place.key, MaxKeys=1),
    )
    found = answer.get("Contents", [])
    return found[0]["Key"] if found else None


def read(place: S3Location, start: int | None = None, size: int = 0) -> bytes:
    """Reads an object or a range of it; fewer bytes where it ends before.

    Args:
        place: The object.
        start: Offset of the first byte; None reads all.
        size: Number of bytes.

    Raises:
        FileNotFoundError: If there is none.
        StorageError: If the store refuses.
    """
    if start is None:
        return _get(place)
    if size <= 0:
        return b""
    try:
        return _get(place, Range=f"bytes={start}-{start + size - 1}")
    except StorageError as error:
        if error.__cause__ is not None and status_of(error.__cause__) == 416:  # type: ignore[arg-type]
            return b""  # past the end
        raise


def _get(place: S3Location, **options: str) -> bytes:
    def ask(s3: S3Client) -> bytes:
        body: bytes = s3.get_object(Bucket=place.bucket, Key=place.key, **options)["Body"].read()
        return body

    return request("read", place, ask)


class Listed(NamedTuple):
    """An object or a folder in a list.

    Attributes:
        key: Its key; without a slash at its end.
        size_bytes: Size of the object; None for a folder.
    """

    key: str
    size_bytes: int | None


def below(folder: S3Location, *, deep: bool = False) -> Iterator[Listed]:
    """Yields what a folder holds, in the order of keys.

    Args:
        folder: The folder.
        deep: Whether to go into its folders, and yield objects only.

    Raises:
        StorageError: If the store refuses.
    """
    prefix = f"{folder.key}/" if folder.key else ""
    options = {} if deep else {"Delimiter": "/"}
    token: dict[str, str] = {}
    while True:
        answer = request(
            "list",
            folder,
            lambda s3, token=token: s3.list_objects_v2(  # type: ignore[misc]
                Bucket=folder.bucket, Prefix=prefix, **options, **token
            ),
        )
        found = [Listed(entry["Key"], entry["Size"]) for entry in answer.get("Contents", [])]
        found += [
            Listed(entry["Prefix"].rstrip("/"), None) for entry in answer.get("CommonPrefixes", [])
        ]
        # An object whose key ends in a slash is another program's mark of a folder.
        objects = (entry for entry in found if not entry.key.endswith("/"))
        yield from sorted(objects, key=lambda entry: entry.key)
        if not answer.get("IsTruncated"):
            return
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def delete(place: S3Location) -> None:
    """Deletes an object; a missing one is no error.

    Args:
        place: The object.

    Raises:
        StorageError: If the store refuses.
    """
    request("delete", place, lambda s3: s3.delete_object(Bucket=place.bucket, Key=place.key))


def delete_below(folder: S3Location) -> None:
    """Deletes all objects of a folder.

    One by one, since stores differ in the checksum that they want of a list of keys.

    Args:
        folder: The folder.

    Raises:
        StorageError: If the store refuses.
    """
    with ThreadPoolExecutor(_DELETIONS_AT_ONCE) as pool:
        places = (folder._replace(key=entry.key) for entry in list(below(folder, deep=True)))
        for _ in pool.map(delete, places):
            pass


class S3File(io.RawIOBase):
    """Reads ranges of an object; wrap it in io.BufferedReader for small reads.

    Args:
        place: The object.

    Raises:
        FileNotFoundError: If there is none.
    """

    def __init__(self, place: S3Location) -> None:
        super().__init__()
        self._place = place
        self._size = head(place).size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the offset of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to an offset, as files do.

        Args:
            offset: Bytes from the start, the current position or the end.
            whence: Which of these: io.SEEK_SET, SEEK_CUR or SEEK_END.

        Raises:
            OSError: If the position would be negative.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(22, "Negative position")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fills a buffer with the next bytes.

        Args:
            buffer: What to fill.

        Returns:
            The number of bytes read.
        """
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        """Returns the next bytes; all up to the end by default.

        Args:
            size: The most bytes to return; negative or None for all.
        """
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = read(self._place, self._position, wanted)
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        """Returns all bytes up to the end."""
        return self.read()
