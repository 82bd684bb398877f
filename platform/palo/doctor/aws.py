"""An account on AWS, as the checks see it: short waits, and errors in words."""

import difflib
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.session import get_session

from palo.errors import ConfigError, PaloError, ResourceError
from palo.storage.s3_requests import code_of, descriptions

T = TypeVar("T")

_QUICK = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 2})
_BAD_KEYS = {
    "AuthFailure",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_GET_CREDENTIALS = "Run aws configure, or set AWS_PROFILE, and try aws sts get-caller-identity."


class Aws:
    """An account in one region.

    Args:
        region: The region.

    Attributes:
        region: The region.
    """

    def __init__(self, region: str) -> None:
        self.region = region
        self._session = _session()
        self._clients: dict[str, Any] = {}

    @cached_property
    def account(self) -> str:
        """The account's number.

        Raises:
            ConfigError: If the region is none.
            ResourceError: If the credentials are missing, wrong or expired, or AWS isn't reached.
        """
        return self._identity.split(":")[4]

    @cached_property
    def partition(self) -> str:
        """The part of AWS that the account is in, such as `aws` or `aws-cn`; see `account`."""
        return self._identity.split(":")[1]

    @cached_property
    def _identity(self) -> str:
        """The ARN of whoever asks."""
        self._require_region()
        return str(self.ask("sts", lambda sts: sts.get_caller_identity())["Arn"])

    def ask(self, service: str, call: Callable[[Any], T]) -> T:
        """Returns the answer of a service.

        Args:
            service: The service's name.
            call: Takes boto3's client of it.

        Raises:
            ResourceError: If it refuses or doesn't answer.
        """
        try:
            return call(self.client(service))
        except (BotoCoreError, ClientError) as error:
            raise self.told(error) from error

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """Returns boto3's client of a service.

        Args:
            service: The service's name.
        """
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,  # type: ignore[call-overload] # any of them
                region_name=self.region,
                config=_QUICK,
            )
        return self._clients[service]

    def told(self, error: Exception) -> PaloError:
        """Returns what an error of boto3 means for a person.

        Args:
            error: The error.
        """
        code = code_of(error)
        if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
            return ResourceError(
                "there are no credentials for AWS", seen=error, fix=_GET_CREDENTIALS
            )
        if code in _EXPIRED:
            return ResourceError(
                "the credentials for AWS have expired",
                seen=code,
                fix="Log in again: aws sso login.",
            )
        if code in _BAD_KEYS:
            return ResourceError(
                "AWS doesn't know these credentials", seen=code, fix=_GET_CREDENTIALS
            )
        if code in _DENIED:
            return ResourceError(
                "your rights don't allow it",
                seen=_words(error),
                fix="Ask whoever runs the account for the right that is named.",
            )
        if isinstance(error, EndpointConnectionError):
            return ResourceError(
                f"AWS can't be reached in {self.region}",
                seen=error,
                fix="Check the network and the region.",
            )
        return ResourceError("AWS refused", seen=_words(error), fix="Change what it names.")

    def _require_region(self) -> None:
        """Looks the region up in boto3's own list, which needs no network.

        Raises:
            ConfigError: If it isn't there.
        """
        partitions = self._session.get_available_partitions()
        known = [
            region
            for partition in partitions
            for region in self._session.get_available_regions("ec2", partition)
        ]
        if self.region not in known:
            near = difflib.get_close_matches(self.region, known, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise ConfigError(
                "there is no such region of AWS",
                seen=repr(self.region),
                fix=f"{hint}Change it in cluster/palo.toml, and run make cluster.",
            )


def _session() -> boto3.Session:
    session = get_session()
    session.register_component("data_loader", descriptions())
    return boto3.Session(botocore_session=session)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
