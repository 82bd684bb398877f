"""Fetches images from servers that are allowed, a few at once and never for long."""

import asyncio
import http.client
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import SplitResult

from palo.errors import ImageError
from palo.images.fetch import FetchOptions, fetch
from palo.reasons import Reason
from palo.serve.images.errors import busy, failed, forbidden, refused
from palo.serve.images.remote_addresses import checked_address
from palo.serve.images.settings import ImageRules
from palo.terminal import one_line

_LOG = logging.getLogger(__name__)
_TOO_LARGE = (Reason.IMAGE_FILE_TOO_LARGE,)


class RemoteImages:
    """Fetches images; to be used from one event loop.

    Args:
        rules: Which servers may be asked, and what an image may cost.
    """

    def __init__(self, rules: ImageRules) -> None:
        self._rules = rules
        self._threads = ThreadPoolExecutor(rules.max_fetches, "palo-fetch")
        self._num_asked = 0

    async def read(self, url: str, param: str | None) -> bytes:
        """Returns the image at an address.

        Args:
            url: As the request names it.
            param: Field of the request that holds it.

        Raises:
            Refusal: If it may not be asked for, isn't given, is too large, or too many are.
        """
        address = checked_address(url, self._rules, param)
        if self._num_asked >= self._rules.max_fetches + self._rules.max_waiting:
            raise busy("to be fetched", self._rules.fetch_s)
        deadline = time.monotonic() + self._rules.fetch_s
        loop = asyncio.get_running_loop()
        self._num_asked += 1
        fetching = loop.run_in_executor(self._threads, self._fetch, address, deadline, param)
        # Counted until its thread is free: one that resolves a name can't be interrupted.
        fetching.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(fetching), self._rules.fetch_s + 1)
        except TimeoutError:
            raise failed(param) from None

    def close(self) -> None:
        """Takes no more; what is being fetched ends by its own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, fetching: "asyncio.Future[bytes]") -> None:
        self._num_asked -= 1
        if not fetching.cancelled():
            fetching.exception()  # asked for, so that nobody's absence is reported as a fault

    def _fetch(self, address: SplitResult, deadline: float, param: str | None) -> bytes:
        rules = self._rules
        asking = FetchOptions(limits=rules.limits, connect_s=rules.connect_s, deadline=deadline)
        try:
            answer = fetch(address, asking)
        except ImageError as error:
            _LOG.warning("no image from %s: %s", address.netloc, error)
            if error.fact == Reason.IMAGE_HOST:
                raise forbidden("images from this server are not allowed", param) from None
            raise (refused(error, param) if error.fact in _TOO_LARGE else failed(param)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            _LOG.warning("no image from %s: %s", address.netloc, one_line(str(error)))
            raise failed(param) from None
        if isinstance(answer, str):
            _LOG.warning("no image from %s: it sends elsewhere", address.netloc)
            raise failed(param)
        return answer
