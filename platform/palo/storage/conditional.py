"""Objects on S3 that several machines write: a write that takes effect only if nobody else wrote.

S3 has no locks. Every writer reads an object with its ETag, and writes with the condition that the
store still holds that ETag: of several writers at once one succeeds, the others begin again.
"""

from typing import NamedTuple

from palo.errors import StorageError
from palo.storage import s3_objects
from palo.storage.s3_path import S3Path
from palo.storage.s3_requests import request, status_of

_REFUSED = (409, 412)


class Versioned(NamedTuple):
    """An object as it was read.

    Attributes:
        data: Its bytes.
        version: What names this state of it.
    """

    data: bytes
    version: str


def read_versioned(path: S3Path) -> Versioned | None:
    """Reads an object with what names its state; None if there is none.

    Args:
        path: The object.

    Raises:
        StorageError: If the store refuses.
    """
    while True:
        try:
            before = s3_objects.head(path.place).etag
            data = path.read_bytes()
            if s3_objects.head(path.place).etag == before:  # else it was written in between
                return Versioned(data, before)
        except FileNotFoundError:
            return None


def write_if(path: S3Path, data: bytes, version: str | None) -> str | None:
    """Writes an object if it is still as it was read.

    Args:
        path: The object.
        data: Its new bytes. They should differ from all that others write: a request that was
            repeated is known by them.
        version: `Versioned.version`; None if there was no object.

    Returns:
        What names its new state; None if somebody else wrote meanwhile.

    Raises:
        StorageError: If the store refuses.
    """
    place = path.place
    # Without its quotes, with which Ceph (16.2) takes no ETag for met.
    condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
    try:
        answer = request(
            "write",
            place,
            lambda s3: s3.put_object(Bucket=place.bucket, Key=place.key, Body=data, **condition),
        )
    except FileNotFoundError:
        return None
    except StorageError as error:
        cause = error.__cause__
        if not isinstance(cause, Exception) or status_of(cause) not in _REFUSED:
            raise
        found = read_versioned(path)
        return found.version if found is not None and found.data == data else None
    return str(answer["ETag"]).strip('"')
