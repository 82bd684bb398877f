"""A submitted job, watched to its end: its log as it comes, and its exit code.

The job doesn't need whoever watches it. A connection that breaks off is made again, and the log
goes on where it was.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import aiohttp

from palo.ray_start import EXIT_INTERRUPTED
from palo.submission.server import ask

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails
    from ray.job_submission import JobSubmissionClient

T = TypeVar("T")
_LOOK_EVERY_S = 0.5
_SAY_EVERY_S = 30.0
_ERROR = 1


class JobWatch:
    """A job of a cluster.

    Args:
        client: The cluster's job server.
        address: Its address, for messages.
        job: Id of the job.
        patience_s: How long the server may be away, in seconds.
        write: Takes pieces of the log.
        say: Takes lines about the job.
    """

    def __init__(
        self,
        client: "JobSubmissionClient",
        address: str,
        job: str,
        patience_s: float,
        write: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._address = address
        self._job = job
        self._patience_s = patience_s
        self._write = write
        self._say = say
        self._num_written = 0

    def skip(self) -> None:
        """Leaves out what the log holds already.

        Raises:
            ConfigError: See `understood`.
            DataError: If there is no such job.
            ResourceError: If the server stays away, or refuses.
        """
        self._num_written = len(self._ask(lambda: self._client.get_job_logs(self._job)))

    def details(self) -> "JobDetails":
        """Returns what the server says of the job.

        Raises:
            ConfigError: See `understood`.
            DataError: If there is no such job.
            ResourceError: If the server stays away, or refuses.
        """
        return self._ask(lambda: self._client.get_job_info(self._job))

    def stop(self) -> bool:
        """Asks the job to stop, which lets it save a checkpoint.

        Returns:
            Whether it was running.

        Raises:
            ConfigError: See `understood`.
            DataError: If there is no such job.
            ResourceError: If the server stays away, or refuses.
        """
        return bool(self._ask(lambda: self._client.stop_job(self._job)))

    def _ask(self, call: Callable[[], T]) -> T:
        fix = f"The job goes on without it. Later: python jobs/submit.py --attach {self._job}"
        return ask(self._address, call, self._patience_s, fix)

    def follow(self) -> int:
        """Writes the log until the job has ended.

        Returns:
            The exit code of its command; 130 if it was stopped.

        Raises:
            ConfigError: See `understood`.
            DataError: If there is no such job.
            ResourceError: If the server stays away, or refuses.
        """
        self._await_start()
        while True:
            details = self.details()
            asyncio.run(self._write_fresh())
            if details.status.is_terminal():
                return self._told_end(details)

    def _await_start(self) -> None:
        told, say_at = "", time.monotonic() + _SAY_EVERY_S
        while True:
            details = self.details()
            if details.status.value != "PENDING":
                return
            message = " ".join((details.message or "").split())
            if message != told or time.monotonic() >= say_at:
                told, say_at = message, time.monotonic() + _SAY_EVERY_S
                self._say(f"waiting: {message or 'the job has not started'}")
            time.sleep(_LOOK_EVERY_S)

    async def _write_fresh(self) -> None:
        """Writes the log as it comes, until the server ends the stream or it breaks off.

        The server sends it from its beginning each time.
        """
        seen = 0
        try:
            async for piece in self._client.tail_job_logs(self._job):
                known = max(0, self._num_written - seen)
                seen += len(piece)
                if len(piece) > known:
                    self._write(piece[known:])
                    self._num_written = seen
        except (RuntimeError, aiohttp.ClientError, OSError) as error:
            self._say(f"the log broke off, and is read again: {error}")
            await asyncio.sleep(_LOOK_EVERY_S)

    def _told_end(self, details: "JobDetails") -> int:
        status = details.status.value
        if status == "SUCCEEDED":
            return 0
        message = " ".join((details.message or "").split())
        self._say(f"{self._job}: {status.lower()}{f', {message[:300]}' if message else ''}")
        if status == "STOPPED":
            return EXIT_INTERRUPTED
        code = details.driver_exit_code
        return _ERROR if code is None else (128 - code if code < 0 else code)
