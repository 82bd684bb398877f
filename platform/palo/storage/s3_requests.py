"""Requests to S3: one client for each store, bounded retries, and errors that say what to do.

Settings are the AWS_ environment variables of boto3, AWS_REGION, and two of our own:
`PALO_S3_TIMEOUT_S` and `PALO_S3_ATTEMPTS`. boto3 is used as it is, and not through the file systems
of pyarrow or s3fs: tried against the same tests, pyarrow reported no ETag and no error code, so
that neither a corrupted write nor a bucket in another region could be reported, and s3fs held
botocore back and repeated requests that the limit on attempts did not count.
"""

import errno
import os
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, TypeAlias, TypeVar

from palo.errors import ConfigError, StorageError
from palo.retries import Backoff
from palo.storage.s3_location import S3Location

_DENIED = {
    "403",
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_ELSEWHERE = {
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
}
_PASSING = {
    "BadDigest",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
    "XAmzContentChecksumMismatch",
}
_NEW_CHECKSUMS = {"MissingContentLength", "XAmzContentSHA256Mismatch"}
_RESUME = "then run the same command again: it resumes where it stopped."
S3Client: TypeAlias = Any  # boto3 makes the class when it runs
T = TypeVar("T")
_CHECKSUMS = "AWS_REQUEST_CHECKSUM_CALCULATION"
_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 10.0
_ATTEMPTS = 5
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 8.0
_CONNECTIONS = 32
N = TypeVar("N", int, float)


def code_of(error: Exception) -> str:
    """Returns the error code of a store's answer; empty for other errors.

    Args:
        error: An error of boto3.
    """
    return str(_answer(error).get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int:
    """Returns the HTTP status of a store's answer; 0 for other errors.

    Args:
        error: An error of boto3.
    """
    return int(_answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _answer(error: Exception) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    return answer


def may_pass(error: Exception) -> bool:
    """Returns whether the same request may succeed later.

    Args:
        error: An error of boto3.
    """
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        status = status_of(error)
        return status >= 500 or status == 429 or code_of(error) in _PASSING
    passing = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.FlexibleChecksumError,
    )
    return isinstance(error, passing)


def to_storage_error(
    error: Exception, action: str, place: S3Location, where: str, attempts: int
) -> Exception:
    """Returns what to raise in place of an error of boto3.

    Args:
        error: A ClientError or BotoCoreError.
        action: What was tried, as a verb.
        place: With what.
        where: Address of the store.
        attempts: How often it was tried.

    Returns:
        FileNotFoundError for a missing object, as for a missing file; else a StorageError.
    """
    from botocore import exceptions

    code, uri = code_of(error), place.uri
    if code == "NoSuchBucket":
        return StorageError(
            f"can't {action} {uri}, for there is no such bucket",
            seen=f"{place.bucket} at {where}",
            fix=f"Check its name and AWS_ENDPOINT_URL, or make it; {_RESUME}",
        )
    if code in ("NoSuchKey", "404"):
        return FileNotFoundError(errno.ENOENT, "No such object", uri)
    if code in _ELSEWHERE:
        return _elsewhere(error, action, place, where)
    if code in _DENIED:
        return StorageError(
            f"may not {action} {uri}",
            seen=f"{where} answers {code}",
            fix="Check the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE or the machine's role) and "
            f"what they may do with the bucket; {_RESUME}",
        )
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return StorageError(
            f"can't {action} {uri} without credentials",
            seen=str(error),
            fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; on a cluster on "
            "every machine before `ray start`.",
        )
    if may_pass(error):
        times = "once" if attempts == 1 else f"{attempts} times"
        return StorageError(
            f"can't {action} {uri}, tried {times}",
            seen=f"{where}: {code or _words(error)}",
            fix=f"Check the network, AWS_ENDPOINT_URL and the store; {_RESUME}",
        )
    if code in _NEW_CHECKSUMS and _CHECKSUMS in os.environ:
        return StorageError(
            f"can't {action} {uri}, for the store doesn't know boto3's newer checksums",
            seen=f"{where}: {_words(error)}",
            fix=f"Unset {_CHECKSUMS}: each write is verified by its MD5 anyway; {_RESUME}",
        )
    return StorageError(
        f"can't {action} {uri}",
        seen=f"{where}: {_words(error)}",
        fix="Check the URI and the AWS_ settings.",
    )


def _elsewhere(error: Exception, action: str, place: S3Location, where: str) -> StorageError:
    answer = _answer(error)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or answer.get("Error", {}).get("Region")
    return StorageError(
        f"can't {action} {place.uri}, for the bucket is in another region",
        seen=f"{where} answers {code_of(error)}",
        fix=f"Set AWS_REGION to {region or 'the bucket’s region'}; {_RESUME}",
    )


def _words(error: Exception) -> str:
    if code := code_of(error):
        words = _answer(error)["Error"].get("Message")  # Ceph's is empty
        return f"{code}: {words}" if words else code
    return " ".join(str(error).split()) or type(error).__name__


def request(action: str, place: S3Location, call: Callable[[S3Client], T]) -> T:
    """Sends a request; one that may succeed later is sent again a few times, each time later.

    Args:
        action: What it does, as a verb, for messages.
        place: With what.
        call: Sends it with a client.

    Raises:
        FileNotFoundError: If the object isn't there.
        StorageError: If the store refuses, or doesn't answer in time.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    backoff = Backoff(
        attempts=_number("PALO_S3_ATTEMPTS", _ATTEMPTS),
        first_wait_s=_FIRST_WAIT_S,
        longest_wait_s=_LONGEST_WAIT_S,
        jitter=(0.5, 1.0),
    )
    where = "S3"
    for number, wait_s in enumerate(backoff.waits(), start=1):
        time.sleep(wait_s)
        try:
            client = client_of(place)
            where = client.meta.endpoint_url
            return call(client)
        except (BotoCoreError, ClientError) as error:
            if number == backoff.attempts or not may_pass(error):
                raise to_storage_error(error, action, place, where, number) from error
    raise AssertionError("the last attempt returns or raises")


def client_of(place: S3Location) -> S3Client:
    """Returns this process's client for the store of a location, with the environment's settings.

    Args:
        place: The location.
    """
    settings = sorted((k, v) for k, v in os.environ.items() if k.startswith(("AWS_", "PALO_S3_")))
    endpoint = f"{place.scheme or 'https'}://{place.endpoint}" if place.endpoint else ""
    return _client(os.getpid(), endpoint, place.region, tuple(settings))


@lru_cache(maxsize=8)
def _client(
    pid: int, endpoint: str, region: str, settings: tuple[tuple[str, str], ...]
) -> S3Client:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.session import get_session

    timeout_s = _number("PALO_S3_TIMEOUT_S", _TIMEOUT_S)
    checksums: dict[str, Any] = {}
    if _CHECKSUMS not in os.environ:
        # Older stores refuse boto3's own way, or keep its framing as data. We verify by MD5.
        checksums["request_checksum_calculation"] = "when_required"
    config = Config(
        connect_timeout=min(timeout_s, _CONNECT_TIMEOUT_S),
        read_timeout=timeout_s,
        retries={"total_max_attempts": 1},  # `request` repeats, and repeats broken bodies too
        max_pool_connections=_CONNECTIONS,
        **checksums,
    )
    # A session of its own: boto3's default one is not made for threads, and keeps old credentials.
    session = get_session()
    session.register_component("data_loader", descriptions())
    return Session(botocore_session=session).client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region or os.environ.get("AWS_REGION") or None,
        config=config,
    )


@cache
def descriptions() -> Any:  # noqa: ANN401 - botocore's Loader, which must not be loaded with us
    """The service descriptions, read once: that takes most of the time of making a client."""
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))


def _number(name: str, default: N) -> N:
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        value = type(default)(text)
    except ValueError:
        value = type(default)(0)
    if value <= 0:
        raise ConfigError(f"{name} must be a number above 0", seen=repr(text), fix="Change it.")
    return value
