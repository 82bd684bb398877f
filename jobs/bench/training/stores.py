"""Two stores that speak S3, on this machine, which can go away and come back with all they hold."""

import logging
import os
from abc import abstractmethod
from contextlib import AbstractContextManager
from types import TracebackType

from training.ceph_gateway import CephGateway

from palo.storage import S3Path
from palo.storage.s3_requests import client_of

_KEY = "drill"
_SETTINGS = {
    "AWS_ACCESS_KEY_ID": _KEY,
    "AWS_SECRET_ACCESS_KEY": _KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    # A store that is away must not hold an upload for long: the run tries again itself, and says
    # within seven seconds that a silent one is away.
    "PALO_S3_ATTEMPTS": "2",
    "PALO_S3_TIMEOUT_S": "3",
}
_BUCKET = "runs"


class Store(AbstractContextManager["Store"]):
    """A server with one bucket; this process and those that it starts can use it."""

    def __enter__(self) -> "Store":
        os.environ.update(_SETTINGS)
        self.begin()
        client_of(self.bucket().place).create_bucket(Bucket=_BUCKET)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def bucket(self, host: str = "127.0.0.1") -> S3Path:
        """Returns the bucket.

        Args:
            host: The address under which those who use it know this machine.
        """
        return S3Path(f"s3://{_BUCKET}?endpoint_override={host}:{self.port}&scheme=http")

    @property
    @abstractmethod
    def port(self) -> int:
        """Its port."""

    @abstractmethod
    def begin(self) -> None:
        """Starts the server."""

    @abstractmethod
    def leave(self) -> None:
        """Takes the store away; what it holds stays."""

    @abstractmethod
    def come_back(self) -> None:
        """Lets it be reached again, at the same address."""

    @abstractmethod
    def end(self) -> None:
        """Ends the server."""


class MotoStore(Store):
    """Moto's server. While it is away, connections are refused."""

    def __init__(self) -> None:
        self._port = 0

    @property
    def port(self) -> int:
        """Its port."""
        return self._port

    def begin(self) -> None:
        """Starts the server."""
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="0.0.0.0", port=self._port, verbose=False)  # noqa: S104 - make-believe machines are beyond loopback
        self._server.start()
        self._port = self._server.get_host_and_port()[1]

    def leave(self) -> None:
        """See Store.leave; it stays in this process."""
        self._server.stop()

    def come_back(self) -> None:
        """See Store.come_back."""
        self.begin()

    def end(self) -> None:
        """Ends the server."""
        self._server.stop()


class CephStore(Store):
    """A gateway of Ceph. While it is away, connections are accepted and nothing is answered."""

    @property
    def port(self) -> int:
        """Its port."""
        return self._gateway.port

    def begin(self) -> None:
        """Starts the server.

        Raises:
            ConfigError: If Ceph isn't installed.
            StorageError: If it doesn't come up.
        """
        self._gateway = CephGateway(_KEY, _KEY)
        self._gateway.start()

    def leave(self) -> None:
        """See Store.leave."""
        self._gateway.suspend()

    def come_back(self) -> None:
        """See Store.come_back."""
        self._gateway.resume()

    def end(self) -> None:
        """Ends the server."""
        self._gateway.close()


STORES: dict[str, type[Store]] = {"moto": MotoStore, "ceph": CephStore}
"""The stores by their names in the drill."""
