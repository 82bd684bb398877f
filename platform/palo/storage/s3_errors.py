"""What a store answers when it refuses, as errors that say what to do."""

import errno
from typing import Any

from palo.errors import StorageError
from palo.storage.s3_place import S3Location

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
_GO_ON = "then run the same command again: it goes on where it stopped."


def code_of(error: Exception) -> str:
    """Returns the code in a store's answer; empty for other errors."""
    return str(_answer(error).get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int:
    """Returns the HTTP status of a store's answer; 0 for other errors."""
    return int(_answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _answer(error: Exception) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    return answer


def may_pass(error: Exception) -> bool:
    """Tells whether the same request may succeed later."""
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
            fix=f"Check its name and AWS_ENDPOINT_URL, or make it; {_GO_ON}",
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
            f"what they may do with the bucket; {_GO_ON}",
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
            fix=f"Check the network, AWS_ENDPOINT_URL and the store; {_GO_ON}",
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
        fix=f"Set AWS_REGION to {region or 'the bucket’s region'}; {_GO_ON}",
    )


def _words(error: Exception) -> str:
    if code := code_of(error):
        return f"{code}: {_answer(error)['Error'].get('Message', '')}"
    return " ".join(str(error).split()) or type(error).__name__
