"""One client of each store for a process, and requests that are tried again a few times.

Settings are the AWS_ environment variables that boto3 knows, with AWS_REGION, and two of our own:
`PALO_S3_TIMEOUT_S` and `PALO_S3_ATTEMPTS`.
"""

import os
import random
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, TypeAlias, TypeVar

from palo.errors import ConfigError
from palo.storage.s3_errors import may_pass, to_storage_error
from palo.storage.s3_place import S3Location

S3Client: TypeAlias = Any  # boto3 makes the class when it runs

T = TypeVar("T")

_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 10.0
_ATTEMPTS = 5
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 8.0
_CONNECTIONS = 32


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

    attempts = _number("PALO_S3_ATTEMPTS", _ATTEMPTS)
    where, number = "S3", 0
    while True:
        number += 1
        try:
            client = client_of(place)
            where = client.meta.endpoint_url
            return call(client)
        except (BotoCoreError, ClientError) as error:
            if number >= attempts or not may_pass(error):
                raise to_storage_error(error, action, place, where, number) from error
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (number - 1))
        time.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads workers, no secret


def client_of(place: S3Location) -> S3Client:
    """Returns the process's client for the store of a place, with the environment's settings."""
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
    if "AWS_REQUEST_CHECKSUM_CALCULATION" not in os.environ:
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
    session.register_component("data_loader", _descriptions())
    return Session(botocore_session=session).client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region or os.environ.get("AWS_REGION") or None,
        config=config,
    )


@cache
def _descriptions() -> Any:  # noqa: ANN401 - botocore's Loader, which must not be loaded with us
    """The service descriptions, read once: that takes most of the time of making a client."""
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))


N = TypeVar("N", int, float)


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
