"""Uploads to S3: whole objects or none, with proof that the store holds what was sent.

The store checks the MD5 of each request. Afterwards its own size and ETag are compared with what
they must be; where a store computes ETags in another way, the object is read back.
"""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from palo.errors import StorageError
from palo.storage import s3_objects
from palo.storage.s3_location import S3Location
from palo.storage.s3_requests import request

PART_BYTES = 32 << 20
_MAX_PARTS = 10_000
_TRIES = 3

Data = bytes | memoryview


def put(place: S3Location, data: Data) -> None:
    """Writes an object from bytes in memory.

    Args:
        place: The object.
        data: Its bytes.

    Raises:
        StorageError: If the store refuses, or keeps other bytes than were sent.
    """
    for _ in range(_TRIES):
        digest = _put(place, data)
        if _verified(place, len(data), digest.hex(), digest.hex()):
            return
    raise _other_bytes(place)


def upload(place: S3Location, file: Path) -> None:
    """Writes an object from a local file, a large one in parts.

    Args:
        place: The object.
        file: The local file.

    Raises:
        OSError: If the file can't be read.
        StorageError: If the store refuses, or keeps other bytes than were sent.
    """
    size = file.stat().st_size
    if size <= PART_BYTES:
        put(place, file.read_bytes())
        return
    for _ in range(_TRIES):
        digests = _put_parts(place, file, size)
        etag = f"{_md5(b''.join(digests)).hex()}-{len(digests)}"
        if _verified(place, size, etag, _md5_of(file)):
            return
    raise _other_bytes(place)


def _put(place: S3Location, data: Data) -> bytes:
    digest = _md5(data)
    checksum = base64.b64encode(digest).decode()
    body = bytes(data)  # not a view: a request that is repeated starts at its first byte
    request(
        "write",
        place,
        lambda s3: s3.put_object(
            Bucket=place.bucket, Key=place.key, Body=body, ContentMD5=checksum
        ),
    )
    return digest


def _put_parts(place: S3Location, file: Path, size: int) -> list[bytes]:
    """Sends a file in parts; returns their MD5. Parts of an upload that breaks off are deleted."""
    at = {"Bucket": place.bucket, "Key": place.key}
    started = request("write", place, lambda s3: s3.create_multipart_upload(**at))
    at["UploadId"] = started["UploadId"]
    try:
        digests, etags = [], []
        for number, part in enumerate(_parts(file, size), start=1):
            digest = _md5(part)
            checksum = base64.b64encode(digest).decode()
            answer = request(
                "write",
                place,
                lambda s3, part=part, number=number, checksum=checksum: s3.upload_part(  # type: ignore[misc]
                    **at, PartNumber=number, Body=part, ContentMD5=checksum
                ),
            )
            digests.append(digest)
            etags.append({"PartNumber": number, "ETag": answer["ETag"]})
        request(
            "write",
            place,
            lambda s3: s3.complete_multipart_upload(**at, MultipartUpload={"Parts": etags}),
        )
    except BaseException:
        # The first error is the one to report; an unreachable store keeps the parts.
        with contextlib.suppress(StorageError, FileNotFoundError):
            request("write", place, lambda s3: s3.abort_multipart_upload(**at))
        raise
    return digests


def _parts(file: Path, size: int) -> Iterator[bytes]:
    part_bytes = max(PART_BYTES, -(-size // _MAX_PARTS))
    with file.open("rb") as opened:
        while part := opened.read(part_bytes):
            yield part


def _verified(place: S3Location, size: int, etag: str, md5: str) -> bool:
    found = s3_objects.head(place)
    if found.size_bytes != size:
        return False
    return found.etag == etag or _read_back(place, size) == md5


def _read_back(place: S3Location, size: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for start in range(0, size, PART_BYTES):
        digest.update(s3_objects.read(place, start, PART_BYTES))
    return digest.hexdigest()


def _md5_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _md5(data: Data) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _other_bytes(place: S3Location) -> StorageError:
    return StorageError(
        f"the store keeps other bytes of {place.uri} than were sent",
        seen=f"tried {_TRIES} times",
        fix="Look for a proxy in between, or use another store; nothing was built on them.",
    )
