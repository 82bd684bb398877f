"""A store that speaks S3, on this machine, which can go away and come back with all it holds."""

import logging
import os
from contextlib import AbstractContextManager
from types import TracebackType

from palo.storage import S3Path
from palo.storage.s3_requests import client_of

_SETTINGS = {
    "AWS_ACCESS_KEY_ID": "drill",
    "AWS_SECRET_ACCESS_KEY": "drill",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    # A store that is away must not hold an upload for long: the run tries again itself.
    "PALO_S3_ATTEMPTS": "2",
}
_BUCKET = "runs"


class MotoStore(AbstractContextManager["MotoStore"]):
    """Moto's server with one bucket; this process and those that it starts can use it."""

    def __init__(self) -> None:
        os.environ.update(_SETTINGS)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._port = 0
        self.start()
        client_of(self.bucket.place).create_bucket(Bucket=_BUCKET)

    @property
    def bucket(self) -> S3Path:
        """The bucket."""
        return S3Path(f"s3://{_BUCKET}?endpoint_override=127.0.0.1:{self._port}&scheme=http")

    def start(self) -> None:
        """Lets the store be reached, at the same address as before."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        """Takes the store away; what it holds stays in this process."""
        self._server.stop()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
