"""Checks of the bucket that holds a cluster's store."""

import secrets
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from palo.doctor.aws import Aws
from palo.doctor.finding import Finding, fault, good, warning
from palo.doctor.settings import bucket_fault
from palo.errors import PaloError, ResourceError
from palo.storage.s3_location import S3Location
from palo.storage.s3_requests import code_of, status_of

_SUBJECT = "bucket"
_NOT_THERE, _DENIED, _ELSEWHERE = 404, 403, 301


def check_bucket(aws: Aws, store: S3Location) -> Iterator[Finding]:
    """Yields whether a bucket is there, ours, in the cluster's region, and can be written.

    Args:
        aws: The account.
        store: The place of the store in it.
    """
    try:
        yield good(_SUBJECT, require_bucket(aws, store.bucket))
        _try_to_write(aws, store)
    except PaloError as error:
        yield fault(_SUBJECT, f"{error.fact}: {error.seen}", error.fix)
        return
    yield good(_SUBJECT, f"{store.uri} can be written")
    if not _ends_uploads(aws, store.bucket):
        yield warning(
            _SUBJECT,
            f"{store.bucket} keeps what is left of broken uploads for ever, and it is paid for",
            "Run cluster/prepare_account.py, which adds a rule.",
        )


def require_bucket(aws: Aws, bucket: str) -> str:
    """Returns a bucket's name and region, if it is of this account and region.

    Args:
        aws: The account.
        bucket: The bucket.

    Raises:
        ResourceError: If it isn't.
    """
    if wrong := bucket_fault(bucket):
        raise ResourceError(
            f"the name of the bucket {wrong}", seen=repr(bucket), fix="Name your own bucket."
        )
    region = _region_of(aws, bucket)
    if region != aws.region:
        raise ResourceError(
            f"the bucket is in {region}, the cluster in {aws.region}",
            seen=bucket,
            fix="Take a bucket of the cluster's region, or the bucket's region for the cluster: "
            "traffic between regions is slow and is paid for.",
        )
    try:
        aws.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=aws.account)
    except (BotoCoreError, ClientError) as error:
        if status_of(error) == _DENIED:
            raise _somebody_elses(bucket) from error
        raise aws.told(error) from error
    return f"{bucket}, of this account, in {region}"


def _region_of(aws: Aws, bucket: str) -> str:
    try:
        answer: dict[str, Any] = aws.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        found = headers.get("x-amz-bucket-region")
        if status_of(error) == _ELSEWHERE and found:
            return str(found)
        if status_of(error) == _NOT_THERE:
            raise ResourceError(
                "there is no such bucket",
                seen=bucket,
                fix=f"Make it: aws s3 mb s3://{bucket} --region {aws.region}.",
            ) from error
        if status_of(error) == _DENIED:
            raise _somebody_elses(bucket) from error
        raise aws.told(error) from error
    except BotoCoreError as error:
        raise aws.told(error) from error
    return str(answer.get("BucketRegion") or aws.region)


def _somebody_elses(bucket: str) -> ResourceError:
    return ResourceError(
        "the bucket belongs to another account, or you have no right to it",
        seen=bucket,
        fix="Name a bucket of your own: names are taken across all accounts.",
    )


def _try_to_write(aws: Aws, store: S3Location) -> None:
    key = "/".join(filter(None, (store.key.rstrip("/"), f".palo-doctor-{secrets.token_hex(8)}")))
    aws.ask("s3", lambda s3: s3.put_object(Bucket=store.bucket, Key=key, Body=b"palo"))
    aws.ask("s3", lambda s3: s3.delete_object(Bucket=store.bucket, Key=key))


def _ends_uploads(aws: Aws, bucket: str) -> bool:
    return any("AbortIncompleteMultipartUpload" in rule for rule in lifecycle_rules(aws, bucket))


def lifecycle_rules(aws: Aws, bucket: str) -> list[dict[str, Any]]:
    """Returns a bucket's lifecycle rules.

    Args:
        aws: The account.
        bucket: The bucket.

    Raises:
        ResourceError: If S3 refuses to say.
    """
    try:
        answer = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "NoSuchLifecycleConfiguration":
            return []
        raise aws.told(error) from error
    rules: list[dict[str, Any]] = answer["Rules"]
    return rules
