"""Objects of a bucket: sizes, bytes and lists of them, and deletions."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from palo.errors import StorageError
from palo.storage.s3_client import S3Client, request
from palo.storage.s3_errors import status_of
from palo.storage.s3_place import S3Location

_DELETIONS_AT_ONCE = 16


class Head(NamedTuple):
    """What a store tells of an object.

    Attributes:
        size_bytes: Its size.
        etag: Its ETag: an MD5 of its bytes where store and way of writing allow.
        modified_s: When it was written, in whole seconds since 1970.
    """

    size_bytes: int
    etag: str
    modified_s: int


def head(place: S3Location) -> Head:
    """Returns what the store tells of an object.

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
        # A HEAD has no body, which would tell a missing bucket from a missing object, and why.
        cause = error.__cause__
        if isinstance(cause, ClientError) and status_of(cause) in (301, 400, 404):
            first_below(place)
        raise


def first_below(place: S3Location) -> str | None:
    """Returns the first key that begins with the place's; None if there is none."""
    answer = request(
        "list",
        place,
        lambda s3: s3.list_objects_v2(Bucket=place.bucket, Prefix=place.key, MaxKeys=1),
    )
    found = answer.get("Contents", [])
    return found[0]["Key"] if found else None


def read(place: S3Location, start: int | None = None, size: int = 0) -> bytes:
    """Reads an object, or some bytes of it; fewer where it ends before.

    Args:
        place: The object.
        start: Place of the first byte; None reads all.
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
            return b""  # behind the end
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
    """Yields what lies below a folder, in the order of its keys.

    Args:
        folder: The folder.
        deep: Whether to go into its folders, and yield objects only.
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
    """Deletes an object; one that is missing is fine.

    Raises:
        StorageError: If the store refuses.
    """
    request("delete", place, lambda s3: s3.delete_object(Bucket=place.bucket, Key=place.key))


def delete_below(folder: S3Location) -> None:
    """Deletes all below a folder.

    One by one, since stores differ in the checksum that they want of a list of keys.
    """
    with ThreadPoolExecutor(_DELETIONS_AT_ONCE) as pool:
        places = (folder._replace(key=entry.key) for entry in list(below(folder, deep=True)))
        for _ in pool.map(delete, places):
            pass
